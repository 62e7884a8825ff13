package store

import (
	"context"
	"fmt"
	"time"
)

// Entry is one line of the audit log: who did what, when and why. The log is append only.
type Entry struct {
	At      time.Time `json:"at"`
	Who     string    `json:"who"` // "holdfast" for what no person did
	Action  string    `json:"action"`
	Subject string    `json:"subject"` // "baseline 12"
	Why     string    `json:"why"`
	Detail  string    `json:"detail,omitempty"`
}

// putAudit writes one entry in the transaction that does what it tells.
func putAudit(ctx context.Context, t tx, e Entry, at int64) error {
	id, err := next(ctx, t, "audit")
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "insert into audit (id, at, who, action, subject, why, detail) values ($1, $2, $3, $4, $5, $6, $7)",
		id, at, e.Who, e.Action, e.Subject, e.Why, e.Detail)
	return err
}

// audit lists the entries about a subject, oldest first.
func (s *Store) audit(ctx context.Context, subject string) ([]Entry, error) {
	return s.entries(ctx, "subject = $1 order by id", subject)
}

func (s *Store) entries(ctx context.Context, where string, args ...any) ([]Entry, error) {
	var out []Entry
	err := s.db.reader().query(ctx, func(scan func(...any) error) error {
		var e Entry
		var at int64
		if err := scan(&at, &e.Who, &e.Action, &e.Subject, &e.Why, &e.Detail); err != nil {
			return err
		}
		e.At = fromMilli(at)
		out = append(out, e)
		return nil
	}, "select at, who, action, subject, why, detail from audit where "+where, args...)
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	return out, nil
}
