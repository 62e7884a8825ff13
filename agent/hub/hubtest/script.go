package hubtest

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Script does one command given as words, for tests of the whole command that are written
// as text. It returns what the command prints.
//
//	repo SLUG SHA                       a repository with SHA on main
//	branch SLUG NAME SHA                create or move a branch
//	delete-branch SLUG NAME
//	pull SLUG HEAD SHA [key=value …]    open one: title, author, from, base, draft, closed
//	push SLUG NUMBER SHA                move the head of a pull request
//	retarget SLUG NUMBER BASE
//	close SLUG NUMBER
//	lock SLUG NUMBER
//	comment SLUG NUMBER AUTHOR TEXT…
//	delete-comment SLUG ID
//	edit-comment SLUG ID TEXT…          as its author
//	collaborator SLUG LOGIN admin|write|read  what a person may do
//	label SLUG NUMBER [LABEL…]          the labels of a pull request
//	ready SLUG NUMBER                   a pull request is no draft any more
//	move FROM TO
//	private SLUG
//	fail KIND [key=value …]             method, path, times, skip, code, after, retry-after, reset, to
//	heal
//	revoke TOKEN
//	app ID NAME KEYFILE                 an App whose private key is in a file
//	install NAME OWNER PERMISSION=write …
//	grant TOKEN LOGIN [PERMISSION …]
//	describe TOKEN SCOPE+SCOPE [END]
//	archive SLUG, no-issues SLUG
//	skew DURATION                       its clock is ahead by that
//	expire-tokens                       of all installations
//	rerequest SLUG SHA                  somebody wants the checks again
//	requests                            print the requests so far, and forget them
//	dump                                print the state
//	url
func (f *Fake) Script(words ...string) (out string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("hubtest: %s: %v", strings.Join(words, " "), p)
		}
	}()
	if len(words) == 0 {
		return "", errors.New("hubtest: no command")
	}
	cmd, args := words[0], words[1:]
	need := map[string]int{
		"repo": 2, "branch": 3, "delete-branch": 2, "pull": 3, "push": 3, "retarget": 3, "close": 2, "lock": 2,
		"comment": 4, "delete-comment": 2, "move": 2, "private": 1, "fail": 1, "revoke": 1,
		"edit-comment": 3, "collaborator": 3, "label": 2, "ready": 2,
		"app": 3, "install": 2, "grant": 2, "describe": 2, "archive": 1, "no-issues": 1, "skew": 1, "rerequest": 2,
	}
	if len(args) < need[cmd] {
		return "", fmt.Errorf("hubtest: %s needs %d words", cmd, need[cmd])
	}
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil {
			panic(err)
		}
		return n
	}
	switch cmd {
	case "repo":
		f.AddRepo(args[0], args[1])
	case "branch":
		f.SetBranch(args[0], args[1], args[2])
	case "delete-branch":
		f.DeleteBranch(args[0], args[1])
	case "pull":
		p := Pull{Head: args[1], SHA: args[2], Title: "Change " + args[1]}
		if err := pairs(args[3:], map[string]any{
			"title": &p.Title, "author": &p.Author, "from": &p.From, "base": &p.Base, "draft": &p.Draft, "closed": &p.Closed,
		}); err != nil {
			return "", err
		}
		return fmt.Sprintln(f.OpenPull(args[0], p)), nil
	case "push":
		f.ChangePull(args[0], number(args[1]), func(p *Pull) { p.SHA = args[2] })
	case "retarget":
		f.ChangePull(args[0], number(args[1]), func(p *Pull) { p.Base = args[2] })
	case "close":
		f.CloseIssue(args[0], number(args[1]))
	case "lock":
		f.Lock(args[0], number(args[1]))
	case "comment":
		return fmt.Sprintln(f.Comment(args[0], number(args[1]), args[2], strings.Join(args[3:], " "))), nil
	case "delete-comment":
		f.DeleteComment(args[0], int64(number(args[1])))
	case "edit-comment":
		f.EditComment(args[0], int64(number(args[1])), strings.Join(args[2:], " "))
	case "collaborator":
		f.Collaborator(args[0], args[1], args[2])
	case "label":
		f.ChangePull(args[0], number(args[1]), func(p *Pull) { p.Labels = args[2:] })
	case "ready":
		f.ChangePull(args[0], number(args[1]), func(p *Pull) { p.Draft = false })
	case "move":
		f.Move(args[0], args[1])
	case "private":
		f.SetPrivate(args[0])
	case "fail":
		ft := Fault{Kind: args[0]}
		if err := pairs(args[1:], map[string]any{
			"method": &ft.Method, "path": &ft.Path, "times": &ft.Times, "skip": &ft.Skip, "code": &ft.Code,
			"after": &ft.After, "retry-after": &ft.RetryAfter, "reset": &ft.Reset, "to": &ft.To,
		}); err != nil {
			return "", err
		}
		f.Fail(ft)
	case "heal":
		f.Heal()
	case "revoke":
		f.Revoke(args[0])
	case "app":
		key, err := readKey(args[2])
		if err != nil {
			return "", err
		}
		f.AddApp(int64(number(args[0])), args[1], key)
	case "install":
		return fmt.Sprintln(f.Install(args[0], args[1], args[2:])), nil
	case "grant":
		f.Grant(args[0], args[1], args[2:]...)
	case "describe":
		f.Describe(args[0], strings.ReplaceAll(args[1], "+", ", "), strings.Join(args[2:], " "))
	case "archive":
		f.SetArchived(args[0])
	case "no-issues":
		f.DisableIssues(args[0])
	case "skew":
		by, err := time.ParseDuration(args[0])
		if err != nil {
			return "", err
		}
		f.SetSkew(by)
	case "expire-tokens":
		f.ExpireTokens()
	case "rerequest":
		f.Rerequest(args[0], args[1])
	case "requests":
		list := f.Requests()
		f.Forget()
		if len(list) == 0 {
			return "", nil
		}
		return strings.Join(list, "\n") + "\n", nil
	case "dump":
		return f.Dump(), nil
	case "url":
		return f.URL() + "\n", nil
	default:
		return "", fmt.Errorf("hubtest: no command %q", cmd)
	}
	return "", nil
}

// readKey gives the public half of a private key in PEM.
func readKey(name string) (*rsa.PublicKey, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("hubtest: no PEM in %s", name)
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	return &key.PublicKey, nil
}

// pairs reads key=value words into variables.
func pairs(words []string, into map[string]any) error {
	for _, w := range words {
		k, v, _ := strings.Cut(w, "=")
		var err error
		switch p := into[k].(type) {
		case *string:
			*p = v
		case *bool:
			*p, err = strconv.ParseBool(v)
		case *int:
			*p, err = strconv.Atoi(v)
		case *time.Duration:
			*p, err = time.ParseDuration(v)
		default:
			err = fmt.Errorf("no such key")
		}
		if err != nil {
			return fmt.Errorf("hubtest: %q: %w", w, err)
		}
	}
	return nil
}
