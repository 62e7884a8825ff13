-- Version 6: webhooks that were taken, so that none is taken twice.

create table delivery (
    id text   primary key,
    at bigint not null
);
