package state

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
)

// Delete implements Storage. Locks stay, because the file of a lock is never
// removed (see Lock), and so do the folders that they are in.
func (d *Directory) Delete(ctx context.Context, key string) (err error) {
	defer d.explain(&err, "deleting", key)
	file, err := d.file(key)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := remove(file); err != nil {
		return err
	}
	err = syncFolder(filepath.Dir(file))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil // nor was there anything to remove
	}
	return err
}

// Exists implements Storage.
func (d *Directory) Exists(ctx context.Context, key string) bool {
	_, err := d.Stat(ctx, key)
	return err == nil
}

// List implements Storage, in the order of the names.
func (d *Directory) List(ctx context.Context, folder string, recursive bool) (keys []string, err error) {
	defer d.explain(&err, "listing", folder)
	root := d.Path
	if folder != "" || root == "" {
		if root, err = d.file(folder); err != nil {
			return nil, err
		}
	}
	return list(ctx, root, folder, recursive)
}

// Stat implements Storage.
func (d *Directory) Stat(ctx context.Context, key string) (info KeyInfo, err error) {
	defer d.explain(&err, "looking at", key)
	file, err := d.file(key)
	if err != nil {
		return KeyInfo{}, err
	}
	if err := ctx.Err(); err != nil {
		return KeyInfo{}, err
	}
	found, err := os.Stat(file)
	if errors.Is(err, syscall.ENOTDIR) {
		err = fs.ErrNotExist // a value stands where a folder would have to
	}
	if err != nil {
		return KeyInfo{}, err
	}
	info = KeyInfo{Key: key, Modified: found.ModTime(), IsTerminal: !found.IsDir()}
	if info.IsTerminal {
		info.Size = found.Size()
	}
	return info, nil
}

// list returns the keys below a folder, which is that of a key or of all.
func list(ctx context.Context, folder, key string, recursive bool) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(folder)
	if errors.Is(err, syscall.ENOTDIR) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, e := range entries {
		if !isWord(e.Name()) { // a lock, or what is no value yet
			continue
		}
		below := path.Join(key, e.Name())
		keys = append(keys, below)
		if !recursive || !e.IsDir() {
			continue
		}
		more, err := list(ctx, filepath.Join(folder, e.Name()), below, true)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // it was deleted meanwhile
			return nil, err
		}
		keys = append(keys, more...)
	}
	return keys, nil
}

// remove removes a file, or all values in a folder and the folder if nothing
// else is in it.
func remove(file string) error {
	info, err := os.Lstat(file)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsDir() {
		entries, err := os.ReadDir(file)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !isWord(e.Name()) {
				continue
			}
			if err := remove(filepath.Join(file, e.Name())); err != nil {
				return err
			}
		}
		_ = os.Remove(file) // it stays if there are locks in it
		return nil
	}
	err = os.Remove(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
