/** SQL that takes out of a database what later versions have added to it. */
const columns = (table: string, ...names: string[]): string =>
  names.map((name) => `ALTER TABLE ${table} DROP COLUMN ${name};`).join(" ");

/** As it was in version 9, before there were teams. */
export const withoutTeams = `DROP TABLE statements; DROP INDEX entries_by_body; ${columns("entries", "pos", "body")}
  DROP TABLE bodies; DROP INDEX blobs_held; ${columns("blobs", "held")} ${columns("requests", "answer")}
  DROP INDEX members_by_name;
  ${columns("members", "name", "device", "joined", "lapsed", "leaves", "adder", "adder_address", "rejoined_at", "away_since")}
  ${columns("groups", "team", "floor", "pos", "pos_before")} PRAGMA user_version = 9;`;

/** As it was in version 8, before there were files. */
export const withoutFiles = `${withoutTeams} DROP TABLE blobs; PRAGMA user_version = 8;`;
