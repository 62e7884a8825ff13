package store

import (
	"context"
	"fmt"

	"github.com/holdfast-ci/holdfast/agent/publish"
	"github.com/holdfast-ci/holdfast/runner"
)

// Command is a command that somebody gave in a comment on a pull request.
type Command struct {
	Repo     string // name in agent.toml
	Comment  int64  // number of the comment on GitHub
	Pull     int
	Author   string
	Verb     string // "run", "ok"
	Text     string // as it was given, one line
	SHA      string // what it is bound to: the head of the pull request when it was seen
	UpTo     int64  // number of the newest run then
	Run      int64  // run that it started; 0 for none
	Done     bool
	Accepted bool
	// Elsewhere: another process that lives is doing it.
	Elsewhere bool
	Answer    string
}

const commandColumns = "repo, comment, pull, author, verb, text, sha, upto, run, done, accepted, answer"

func scanCommand(scan func(...any) error) (c Command, err error) {
	var pull, done, accepted int64
	err = scan(&c.Repo, &c.Comment, &pull, &c.Author, &c.Verb, &c.Text, &c.SHA, &c.UpTo, &c.Run, &done, &accepted, &c.Answer)
	c.Pull, c.Done, c.Accepted = int(pull), done == 1, accepted == 1
	return c, err
}

// BeginCommand stores a command that was seen and returns it as it is stored: one that was
// seen before keeps what it was bound to then, and tells whether it is done. It is this
// process's to do from then on, unless another one is doing it.
func (s *Store) BeginCommand(ctx context.Context, c Command) (Command, error) {
	owner := ""
	if s.dir != "" {
		if err := s.takeMark(); err != nil {
			return c, fmt.Errorf("begin command %d in %s: %w", c.Comment, c.Repo, err)
		}
		owner = s.owner
	}
	err := s.db.inTx(ctx, func(t tx) error {
		if owner != "" {
			if err := s.alive(ctx, t); err != nil {
				return err
			}
		}
		var newest int64
		if _, err := one(ctx, t, []any{&newest}, "select coalesce(max(id), 0) from run"); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `insert into command (`+commandColumns+`, seen_at) values ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, 0, '', $9)
			on conflict (repo, comment) do nothing`, c.Repo, c.Comment, int64(c.Pull), c.Author, c.Verb, c.Text, c.SHA, newest, now().UnixMilli()); err != nil {
			return err
		}
		n, err := t.exec(ctx, `update command set owner = $3 where repo = $1 and comment = $2
			and (owner in ('', $3) or owner not in (select owner from agent where lost_at = 0))`, c.Repo, c.Comment, owner)
		if err != nil {
			return err
		}
		return t.query(ctx, func(scan func(...any) error) (err error) {
			c, err = scanCommand(scan)
			c.Elsewhere = n == 0 && !c.Done
			return err
		}, "select "+commandColumns+" from command where repo = $1 and comment = $2", c.Repo, c.Comment)
	})
	if err != nil {
		return c, fmt.Errorf("begin command %d in %s: %w", c.Comment, c.Repo, err)
	}
	return c, nil
}

// CommandDone reports whether a comment's command was dealt with.
func (s *Store) CommandDone(ctx context.Context, repo string, comment int64) (bool, error) {
	var n int64
	_, err := one(ctx, s.db.reader(), []any{&n}, "select count(*) from command where repo = $1 and comment = $2 and done = 1", repo, comment)
	if err != nil {
		return false, fmt.Errorf("read command %d in %s: %w", comment, repo, err)
	}
	return n > 0, nil
}

// EndCommand records what came of a command, with the messages to post about it, in one
// transaction. messages gets the last commands of the pull request, this one included,
// oldest first. A command that is done already changes nothing.
func (s *Store) EndCommand(ctx context.Context, c Command, messages func(last []Command) []publish.Message) error {
	err := s.db.inTx(ctx, func(t tx) error {
		// One after the other: the answer that another process gives now is in the message.
		if _, err := next(ctx, t, "answer"); err != nil {
			return err
		}
		n, err := t.exec(ctx, `update command set done = 1, accepted = $3, answer = $4 where repo = $1 and comment = $2 and done = 0`,
			c.Repo, c.Comment, flag(c.Accepted), c.Answer)
		if err != nil || n == 0 {
			return err
		}
		last, err := commands(ctx, t, c.Repo, c.Pull)
		if err != nil {
			return err
		}
		return putMessages(ctx, t, c.Run, messages(last), now().UnixMilli())
	})
	if err != nil {
		return fmt.Errorf("end command %d in %s: %w", c.Comment, c.Repo, err)
	}
	s.wakePoster()
	return nil
}

// maxCommands is how many commands of a pull request are told about.
const maxCommands = 20

func commands(ctx context.Context, q querier, repo string, pull int) ([]Command, error) {
	var out []Command
	err := q.query(ctx, func(scan func(...any) error) error {
		c, err := scanCommand(scan)
		out = append([]Command{c}, out...)
		return err
	}, "select "+commandColumns+" from command where repo = $1 and pull = $2 and done = 1 order by comment desc limit $3", repo, int64(pull), int64(maxCommands))
	return out, err
}

// Approved reports whether somebody who may let a stranger's commit run.
func (s *Store) Approved(ctx context.Context, repo string, pull int, sha string) (bool, error) {
	var n int64
	_, err := one(ctx, s.db.reader(), []any{&n}, `select count(*) from command
		where repo = $1 and pull = $2 and sha = $3 and verb = 'ok' and done = 1 and accepted = 1`, repo, int64(pull), sha)
	if err != nil {
		return false, fmt.Errorf("approval of pull request %d of %s: %w", pull, repo, err)
	}
	return n > 0, nil
}

// SetAside records the mark of the newest head of a pull request that gets no run (yet),
// with the messages that say why, and ends the open runs of its older heads.
func (s *Store) SetAside(ctx context.Context, repo string, pull int, ref, mark, reason string, ms []publish.Message) error {
	var told []jobKey
	err := s.db.inTx(ctx, func(t tx) error {
		at := now().UnixMilli()
		// As in CreateRun: no run comes into being meanwhile.
		if _, err := t.exec(ctx, "insert into counter (name, value) values ('run', 0) on conflict (name) do update set value = counter.value"); err != nil {
			return err
		}
		var err error
		n := NewRun{Repo: repo, PullRequest: pull}
		if told, err = supersede(ctx, t, n.ref(), 0, reason, at); err != nil {
			return err
		}
		if err := setHead(ctx, t, repo, ref, mark, at); err != nil {
			return err
		}
		return putMessages(ctx, t, 0, ms, at)
	})
	if err != nil {
		return fmt.Errorf("set pull request %d of %s aside: %w", pull, repo, err)
	}
	s.tell(told, runner.ErrSuperseded)
	s.wakePoster()
	return nil
}

// OpenRuns lists the open runs of a pull request up to a number (0: any).
func (s *Store) OpenRuns(ctx context.Context, repo string, pull int, upTo int64) ([]int64, error) {
	if upTo == 0 {
		upTo = 1<<63 - 1
	}
	var out []int64
	err := s.db.reader().query(ctx, func(scan func(...any) error) error {
		var id int64
		err := scan(&id)
		out = append(out, id)
		return err
	}, "select id from run where repo = $1 and pull = $2 and id <= $3 and state in ('queued', 'running') and direct = 0 order by id", repo, int64(pull), upTo)
	if err != nil {
		return nil, fmt.Errorf("open runs of pull request %d of %s: %w", pull, repo, err)
	}
	return out, nil
}

// OpenPulls lists the pull requests of a repository that have open runs.
func (s *Store) OpenPulls(ctx context.Context, repo string) ([]int, error) {
	var out []int
	err := s.db.reader().query(ctx, func(scan func(...any) error) error {
		var n int64
		err := scan(&n)
		out = append(out, int(n))
		return err
	}, "select distinct pull from run where repo = $1 and pull > 0 and state in ('queued', 'running') and direct = 0 order by pull", repo)
	if err != nil {
		return nil, fmt.Errorf("pull requests of %s with open runs: %w", repo, err)
	}
	return out, nil
}

// PullRequestRuns returns the runs of a pull request's commit that were done and reported
// before a number (0: any), the newest first, at most ten.
func (s *Store) PullRequestRuns(ctx context.Context, repo string, pull int, sha string, before int64) ([]Record, error) {
	if before == 0 {
		before = 1<<63 - 1
	}
	q := s.db.reader()
	var ids []int64
	err := q.query(ctx, func(scan func(...any) error) error {
		var id int64
		err := scan(&id)
		ids = append(ids, id)
		return err
	}, `select id from run where repo = $1 and pull = $2 and sha = $3 and id < $4 and state = 'done' and reported = 1
		order by id desc limit 10`, repo, int64(pull), sha, before)
	var out []Record
	for _, id := range ids {
		var rec Record
		if rec, err = readRun(ctx, q, id); err != nil {
			break
		}
		out = append(out, rec)
	}
	if err != nil {
		return nil, fmt.Errorf("runs of pull request %d of %s: %w", pull, repo, err)
	}
	return out, nil
}

// LastNumber is the number of the newest run, 0 if there is none.
func (s *Store) LastNumber(ctx context.Context) (int64, error) {
	var n int64
	_, err := one(ctx, s.db.reader(), []any{&n}, "select coalesce(max(id), 0) from run")
	return n, err
}
