-- Tables of Holdfast, beside River's own (river_*). One text for SQLite and Postgres:
-- text, bigint and double precision are the only types; times are unix milliseconds UTC,
-- 0 for "not yet"; a flag is 0 or 1. Documents are JSON in text columns: fields may be
-- added to them, never renamed or given another meaning. A change of tables is a new
-- version: append statements guarded by it in migrate.go, never edit what has shipped.

-- Run numbers are handed out without gaps: a rolled-back run gives its number back.
-- The row also serialises the creation of runs, on both engines.
create table counter (name text primary key, value bigint not null);

create table run (
    id          bigint primary key,
    ident       text   not null unique, -- what may exist once: ref, SHA and trigger; freed by "#id" when cancelled
    ref         text   not null,        -- repository and branch or pull request; heads of one ref supersede each other
    repo        text   not null,
    branch      text   not null,
    pull        bigint not null,
    sha         text   not null,
    commit_doc  text   not null,        -- runner.Commit
    base_doc    text   not null,        -- runner.Commit
    trigger_by  text   not null,
    direct      bigint not null,        -- 1: executed by the process that created it
    owner       text   not null,        -- process that executes a direct run, or that writes the report
    state       text   not null,        -- runner.State…
    reason      text   not null,
    verdict     text   not null,
    open_jobs   bigint not null,
    reported    bigint not null,        -- 1: doc is final
    report_at   bigint not null,        -- when River got the report's job
    doc         text   not null,        -- runner.Run, once reported
    judgement   text   not null,        -- JSON, opaque here
    created_at  bigint not null,
    started_at  bigint not null,
    finished_at bigint not null
);
create index run_by_branch on run (repo, branch, id);
create index run_by_ref on run (ref, state);
create index run_by_owner on run (owner, reported);

create table job (
    run        bigint not null,
    stage      text   not null,
    position   bigint not null,
    queue      text   not null,
    limit_ms   bigint not null,
    state      text   not null,  -- queued, running, done, cancelled
    attempt    bigint not null,  -- fencing number: grows each time the job is handed out anew
    tries      bigint not null,  -- attempts lost to a crash or a bug, not to a graceful stop
    owner      text   not null,
    river      bigint not null,  -- id of the River job of this attempt; 0 for a direct run
    queued_at  bigint not null,  -- when River got it
    result     text   not null,  -- runner.Result
    started_at bigint not null,
    ended_at   bigint not null,
    primary key (run, stage)
);
create index job_by_owner on job (owner, state, queued_at);

create table tick (
    schedule text   not null,
    due_at   bigint not null,
    run      bigint not null,
    primary key (schedule, due_at)
);

create table bench (
    run      bigint primary key,
    repo     text   not null,
    class    text   not null,
    settings text   not null,
    pull     bigint not null,
    sha      text   not null,
    ended_at bigint not null,
    samples  text   not null    -- []runner.Sample
);
create index bench_history on bench (repo, class, settings, run);

create table head (
    repo    text   not null,
    ref     text   not null,
    mark    text   not null,    -- intake's: the head last enqueued
    seen_at bigint not null,
    primary key (repo, ref)
);

create table etag (url text primary key, etag text not null, value text not null, seen_at bigint not null);

create table outbox (
    id         bigint primary key,
    ident      text   not null unique, -- Message.Key
    run        bigint not null,        -- the run that put it, 0 for none
    seq        bigint not null,        -- Message.Seq: a lower one never replaces a higher one
    doc        text   not null,        -- publish.Message, without RemoteID
    pending    bigint not null,        -- 1: doc is still to be posted
    remote_id  text   not null,
    tries      bigint not null,
    owner      text   not null,        -- process it was handed to, until it is marked
    next_at    bigint not null,        -- not before; of a message handed out: when it may be taken from its owner
    error      text   not null,
    created_at bigint not null,
    updated_at bigint not null
);
create index outbox_pending on outbox (pending, next_at);
create index outbox_by_run on outbox (run);
create index outbox_by_owner on outbox (owner, pending);
