package certs

import (
	"context"
	"log/slog"
	"slices"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// bridge carries certmagic's log into ours, where its errors are information and
// all else is for debugging: it tells every step, and what became of a look is told
// by who asked for it. It is a zapcore.Core.
type bridge struct {
	log    *slog.Logger
	fields []zapcore.Field
	wait   *wait // learns what authorities ask for
}

func newBridge(log *slog.Logger, w *wait) *zap.Logger {
	return zap.New(&bridge{log: log, wait: w})
}

// lower returns the level at which something is told here.
func lower(l zapcore.Level) slog.Level {
	if l >= zapcore.ErrorLevel {
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// Enabled implements zapcore.LevelEnabler.
func (b *bridge) Enabled(l zapcore.Level) bool {
	return l == zapcore.DebugLevel || b.log.Enabled(context.Background(), lower(l)) // what b.wait learns is told at that level
}

// With implements zapcore.Core.
func (b *bridge) With(fields []zapcore.Field) zapcore.Core {
	return &bridge{b.log, slices.Concat(b.fields, fields), b.wait}
}

// Check implements zapcore.Core.
func (b *bridge) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if b.Enabled(e.Level) {
		return to.AddCore(e, b)
	}
	return to
}

// Write implements zapcore.Core.
func (b *bridge) Write(e zapcore.Entry, fields []zapcore.Field) error {
	b.wait.learn(fields)
	ctx := context.Background()
	if !b.log.Enabled(ctx, lower(e.Level)) || e.Message == "will retry" { // it will not, see look
		return nil
	}
	encoder := zapcore.NewMapObjectEncoder()
	var attrs []slog.Attr
	for _, f := range slices.Concat(b.fields, fields) {
		f.AddTo(encoder)
		if value, ok := encoder.Fields[f.Key]; ok {
			attrs = append(attrs, slog.Any(f.Key, value))
		}
	}
	if e.LoggerName != "" {
		attrs = append(attrs, slog.String("logger", e.LoggerName))
	}
	b.log.LogAttrs(ctx, lower(e.Level), "certmagic: "+e.Message, attrs...)
	return nil
}

// Sync implements zapcore.Core.
func (b *bridge) Sync() error { return nil }
