//go:build unix

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"divvy/cmd/internal/admin"
)

// replacer replaces this process by another of the same program, whose file may
// have been replaced before, when SIGUSR2 comes. The new one gets the sockets, takes
// over when it is ready, and this one ends when it has done what it began. If there
// is anything wrong with the new one, this one goes on as it was.
type replacer struct {
	program *program
	asked   context.Context // ends when somebody wants this process to end
	stop    func()          // ends it
	usr2    chan os.Signal
}

// newReplacer returns one that hears the signal from now on. It is made before anybody
// can see that the program runs: a signal that is not heard ends the process.
func newReplacer(p *program, asked context.Context, stop func()) *replacer {
	r := &replacer{program: p, asked: asked, stop: stop, usr2: make(chan os.Signal, 1)}
	signal.Notify(r.usr2, syscall.SIGUSR2)
	return r
}

// Run does what the signal asks for until ctx ends.
func (r *replacer) Run(ctx context.Context) error {
	defer signal.Stop(r.usr2)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.usr2:
			pid, err := r.replace(ctx)
			if err == nil {
				r.retire(pid)
				return nil
			}
			r.program.log.Error("not replaced, going on", "err", err)
		}
	}
}

// retire leaves everything that comes from now on to the new process.
func (r *replacer) retire(pid int) {
	p := r.program
	p.log.Info("replaced: finishing what has begun", "by", pid)
	p.retired.Store(true)
	p.sockets.HandedOver()
	if commit, _, err := p.admin.Prepare(admin.Settings{}); err == nil {
		commit() // or people would be told of a divvy that has nothing more to do
	}
	p.server.Replaced(r.asked)
	r.stop()
}

// replace starts the new process and returns when that has taken over, or with the
// reason why it has not.
func (r *replacer) replace(ctx context.Context) (pid int, err error) {
	if os.Getpid() == 1 {
		return 0, errors.New("this is process 1 of a container, which ends with it: replace the container")
	}
	path, err := programPath()
	if err != nil {
		return 0, err
	}
	channel, theirs, err := channelPair()
	if err != nil {
		return 0, err
	}
	defer channel.Close()
	h, err := r.program.sockets.Handover(theirs)
	theirs.Close()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(path, os.Args[1:]...)
	cmd.Env, cmd.ExtraFiles, cmd.Stdout, cmd.Stderr = h.Env, h.Files, os.Stdout, os.Stderr
	r.program.log.Info("starting the program that is to replace this one", "file", path)
	r.program.timeline.Store(ctx)
	err = cmd.Start()
	h.Close()
	if err != nil {
		return 0, err
	}
	return cmd.Process.Pid, r.attend(ctx, cmd, channel)
}

// attend waits until the new process is ready and lets it go on, or ends it.
func (r *replacer) attend(ctx context.Context, cmd *exec.Cmd, channel *os.File) error {
	limit := r.limit()
	ctx, stop := context.WithTimeout(ctx, limit)
	defer stop()
	defer context.AfterFunc(ctx, func() { _ = channel.SetReadDeadline(time.Unix(1, 0)) })()
	said, ready := listen(channel)
	if ready {
		if _, err := fmt.Fprintln(channel, wordGo); err == nil {
			go func() { _ = cmd.Wait() }() // it outlives this one, or is reaped
			return nil
		}
	}
	late := ctx.Err() // before it ends by our hand
	if late == nil {
		// Its end of the channel is closed, so it ends by itself.
		defer time.AfterFunc(time.Second, func() { _ = cmd.Process.Kill() }).Stop()
	} else {
		_ = cmd.Process.Kill()
	}
	err := cmd.Wait()
	switch {
	case errors.Is(late, context.DeadlineExceeded):
		err = fmt.Errorf("not ready within timeouts.replace, %v", limit)
	case late != nil:
		err = late
	}
	if said != "" {
		return fmt.Errorf("the new program: %w: %s", err, said)
	}
	return fmt.Errorf("the new program: %w", err)
}

func (r *replacer) limit() time.Duration {
	p := r.program
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.config.Server.Timeouts.Replace
}

// listen returns what the new process said last, and whether it is ready. It returns
// when it is, has ended, or nobody waits any more.
func listen(channel *os.File) (said string, ready bool) {
	lines := bufio.NewScanner(channel)
	for lines.Scan() {
		if said = lines.Text(); said == wordReady {
			return "", true
		}
	}
	return said, false
}

// channelPair returns the two ends of a channel between processes.
func channelPair() (ours, theirs *os.File, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	for _, fd := range pair {
		syscall.CloseOnExec(fd)
	}
	_ = syscall.SetNonblock(pair[0], true) // so that reads can have a deadline
	return os.NewFile(uintptr(pair[0]), "channel"), os.NewFile(uintptr(pair[1]), "channel"), nil
}

// programPath returns the file that this program was started from by name: if that is
// a link, what it leads to now.
func programPath() (string, error) {
	name := os.Args[0]
	if strings.ContainsRune(name, filepath.Separator) {
		return filepath.Abs(name)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return os.Executable()
	}
	return filepath.Abs(path)
}
