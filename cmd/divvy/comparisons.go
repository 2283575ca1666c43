package main

import "divvy/cmd/internal/admin"

// Comparisons implements admin.Control.
func (p *program) Comparisons(service string) ([]admin.Comparison, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := p.configOf(service)
	return nil, err
}
