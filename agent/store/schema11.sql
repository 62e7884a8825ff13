-- Version 11: rate limits of GitHub that are not over, so that all processes wait for them.

create table hold (
    who      text   not null, -- host and credential
    payer    text   not null, -- owner whose hour is used up; '*' for a limit on everything
    until_at bigint not null, -- by the database's clock
    primary key (who, payer)
);
