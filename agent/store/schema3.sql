-- Version 3: baselines as objects, and the log of who changed what and why.

-- Every run's figures are kept from here on, for detection and for people who accept a new
-- level; those that may be a baseline serve. What an update changes on one machine sets
-- apart, too.
alter table bench add column fingerprint text not null default '';
alter table bench add column serves bigint not null default 1;
alter table build add column fingerprint text not null default '';
alter table build add column serves bigint not null default 1;
create index bench_place on bench (repo, class, settings, fingerprint, run);
create index build_place on build (repo, class, settings, fingerprint, run);

-- What one metric is compared with in one place. Without a change by a person it is the
-- newest runs that serve, from run since on.
create table baseline (
    id          bigint primary key,
    kind        text   not null, -- the table that its runs are in: bench or build
    repo        text   not null,
    settings    text   not null,
    class       text   not null,
    fingerprint text   not null,
    metric      text   not null, -- runner.Sample.Key
    sample      text   not null, -- runner.Sample without its values
    since       bigint not null, -- runs with a lower number are no part of it
    pinned      bigint not null, -- 1: made of its points alone
    created_at  bigint not null,
    changed_at  bigint not null,
    unique (kind, repo, settings, class, fingerprint, metric)
);

-- What belongs to a baseline beside the runs that serve: runs that a person accepted or
-- pinned, and values from elsewhere.
create table point (
    id       bigint primary key,
    baseline bigint not null,
    run      bigint not null, -- 0 for a value from elsewhere
    sha      text   not null, -- "" if not known
    at       bigint not null, -- when it was measured; 0 if not known
    source   text   not null, -- where a value from elsewhere was read
    live     bigint not null, -- 0: it no longer counts
    vals     text   not null  -- []float64
);
create index point_of on point (baseline, live, id);

-- Append only: no statement of this program changes or deletes a row.
create table audit (
    id      bigint primary key,
    at      bigint not null,
    who     text   not null,
    action  text   not null,
    subject text   not null, -- "baseline 12"
    why     text   not null,
    detail  text   not null  -- what it came to, in words
);
create index audit_of on audit (subject, id);
