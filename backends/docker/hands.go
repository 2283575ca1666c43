package docker

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/docker/docker/api/types/container"
)

// Exec runs a command in a container and returns when it has ended.
func (l *Lab) Exec(ctx context.Context, id string, command ...string) error {
	made, err := l.api.ContainerExecCreate(ctx, id, container.ExecOptions{Cmd: command, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return l.did("running a command in", id, err)
	}
	stream, err := l.api.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{})
	if err != nil {
		return l.did("running a command in", id, err)
	}
	defer stream.Close()
	said, err := io.ReadAll(stream.Reader) // until it ends
	if err != nil {
		return l.did("running a command in", id, err)
	}
	for { // the stream may end before the engine knows that the process has
		state, err := l.api.ContainerExecInspect(ctx, made.ID)
		if err == nil && state.ExitCode != 0 {
			err = fmt.Errorf("it returned %d: %q", state.ExitCode, said)
		}
		if err != nil || !state.Running {
			return l.did("running a command in", id, err)
		}
		pause(ctx, 10*time.Millisecond)
	}
}

// Copy puts a file into a container, as "docker cp" does.
func (l *Lab) Copy(ctx context.Context, id, path string, data []byte) error {
	archive, err := pack([]entry{{name: path, data: data}})
	if err == nil {
		err = l.api.CopyToContainer(ctx, id, "/", archive, container.CopyToContainerOptions{})
	}
	return l.did("copying into", id, err)
}

// Limit sets the memory that a container may have.
func (l *Lab) Limit(ctx context.Context, id string, bytes int64) error {
	_, err := l.api.ContainerUpdate(ctx, id, container.UpdateConfig{Resources: container.Resources{Memory: bytes, MemorySwap: bytes}})
	return l.did("limiting", id, err)
}
