-- Version 2: what the proof ledger asks of earlier runs.

alter table run add column fresh bigint not null default 0; -- 1: asked to prove from nothing
alter table run add column builds text not null default '';  -- JSON, opaque here: the judgement of build times

-- One row for each result of a proofs stage, so that looking for a base decodes one
-- result and not every run. The result itself is in job.
create table proof (
    run       bigint primary key,
    repo      text   not null,
    branch    text   not null,
    pull      bigint not null,
    sha       text   not null,
    dirs      text   not null,    -- project folders that were examined, JSON
    complete  bigint not null,    -- 1: what is not in the inventory does not exist
    fresh     bigint not null,    -- 1: built from nothing
    authority bigint not null,    -- 0: a stand-in tool chain
    verdict   text   not null,
    ended_at  bigint not null
);
create index proof_by_sha on proof (repo, sha, run);
create index proof_by_branch on proof (repo, branch, run);

create table build (
    run      bigint primary key,
    repo     text   not null,
    class    text   not null,
    settings text   not null,
    pull     bigint not null,
    sha      text   not null,
    ended_at bigint not null,
    samples  text   not null    -- []runner.Sample, build times in seconds
);
create index build_history on build (repo, class, settings, run);
