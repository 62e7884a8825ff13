package store

import (
	"context"
	"encoding/base64"
	"fmt"
)

// HeadMark returns the mark last recorded for a ref of a repository, "" if none.
func (s *Store) HeadMark(ctx context.Context, repo, ref string) (string, error) {
	var mark string
	if _, err := one(ctx, s.db.reader(), []any{&mark}, "select mark from head where repo = $1 and ref = $2", repo, ref); err != nil {
		return "", fmt.Errorf("read head %s of %s: %w", ref, repo, err)
	}
	return mark, nil
}

// Marks returns the marks of a repository's refs that begin with a prefix, but for empty
// ones, by ref.
func (s *Store) Marks(ctx context.Context, repo, prefix string) (map[string]string, error) {
	out := map[string]string{}
	err := s.db.reader().query(ctx, func(scan func(...any) error) error {
		var ref, mark string
		err := scan(&ref, &mark)
		out[ref] = mark
		return err
	}, "select ref, mark from head where repo = $1 and substr(ref, 1, $3) = $2 and mark <> ''", repo, prefix, int64(len(prefix)))
	if err != nil {
		return nil, fmt.Errorf("read heads of %s: %w", repo, err)
	}
	return out, nil
}

// SetHead records the mark of a ref that needs no run. Heads that get one are recorded
// with it, see [NewRun].
func (s *Store) SetHead(ctx context.Context, repo, ref, mark string) error {
	err := s.db.inTx(ctx, func(t tx) error { return setHead(ctx, t, repo, ref, mark, now().UnixMilli()) })
	if err != nil {
		return fmt.Errorf("record head %s of %s: %w", ref, repo, err)
	}
	return nil
}

func setHead(ctx context.Context, t tx, repo, ref, mark string, at int64) error {
	_, err := t.exec(ctx, `insert into head (repo, ref, mark, seen_at) values ($1, $2, $3, $4)
		on conflict (repo, ref) do update set mark = excluded.mark, seen_at = excluded.seen_at`, repo, ref, mark, at)
	return err
}

// ETag returns what was stored for a URL: the ETag of its last answer and what was learnt
// from it. Both are empty, with no error, when nothing is.
func (s *Store) ETag(ctx context.Context, url string) (etag string, value []byte, err error) {
	var text string
	found, err := one(ctx, s.db.reader(), []any{&etag, &text}, "select etag, value from etag where url = $1", url)
	if err == nil && found && text != "" {
		value, err = base64.StdEncoding.DecodeString(text)
	}
	if err != nil {
		return "", nil, fmt.Errorf("read ETag of %s: %w", url, err)
	}
	return etag, value, nil
}

// SetETag stores the ETag of an answer and what was learnt from it.
func (s *Store) SetETag(ctx context.Context, url, etag string, value []byte) error {
	err := s.db.inTx(ctx, func(t tx) error {
		_, err := t.exec(ctx, `insert into etag (url, etag, value, seen_at) values ($1, $2, $3, $4)
			on conflict (url) do update set etag = excluded.etag, value = excluded.value, seen_at = excluded.seen_at`,
			url, etag, base64.StdEncoding.EncodeToString(value), now().UnixMilli())
		return err
	})
	if err != nil {
		return fmt.Errorf("record ETag of %s: %w", url, err)
	}
	return nil
}
