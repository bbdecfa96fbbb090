/** What relays need to know of each other. Made in the schema (the engine's word for a namespace) to which `search_path` leads. */
export const RELAYS_SCHEMA = `
-- A row for each incarnation of a relay that lives. By batch a relay knows after a broken connection whether its last write was committed;
-- by attempt what is left of that connection can write no more; without the row nothing can.
CREATE TABLE relays (
  relay bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  batch bigint NOT NULL DEFAULT 0,
  attempt bigint NOT NULL DEFAULT 0,
  seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);
-- What is too long for a notification. Unlogged: after a crash of the engine everything is looked at anyway.
CREATE UNLOGGED TABLE parcels (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  relay bigint NOT NULL,
  text text NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);
`;
