-- Version 8: what verdicts were worth.

alter table run add column twin bigint not null default 0; -- earlier run that this one repeats: an A/A

-- One verdict of which the truth is known: of unchanged code, measured twice, or because a
-- person looked. A person's newest word about a verdict replaces the earlier one; the audit
-- log keeps both.
create table truth (
    id          bigint primary key,
    kind        text   not null, -- a/a or triage
    run         bigint not null,
    repo        text   not null,
    settings    text   not null, -- place of the figures; '' for a verdict about no figure
    class       text   not null,
    fingerprint text   not null,
    metric      text   not null, -- runner.Sample.Key, or the name of a stage
    threshold   text   not null, -- '' for a comparison of two runs, and for a stage
    verdict     text   not null, -- what was said: runner.Verdict, or baseline.Outcome
    alarm       bigint not null, -- 1: it was red
    truth       text   not null, -- real, noise
    effect      double precision not null, -- ln of the ratio of the medians of an a/a
    at          bigint not null,
    unique (kind, run, metric, threshold)
);
create index truth_of_place on truth (repo, class, settings, fingerprint, kind, id);
