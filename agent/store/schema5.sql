-- Version 5: when GitHub was changed, so that all processes keep to one budget.

create table mutation (
    host text   not null,
    at   bigint not null
);
create index mutation_by_host on mutation (host, at);
