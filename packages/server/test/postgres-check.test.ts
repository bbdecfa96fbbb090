// What is wrong with the tables of a cluster is found, whatever of it is.
import { describe, expect, test } from "vitest";
import { database, hasPostgres } from "../../../test/postgres.ts";
import { checkTables, problemsIn } from "../src/store/postgres/check.ts";
import { parseAddress } from "../src/store/postgres/link/address.ts";
import { Link } from "../src/store/postgres/link/link.ts";
import { openPostgresStore } from "../src/store/postgres/postgres.ts";
import { accepted, StoreWorld } from "../src/testing/store-world.ts";

const mistakes: [problem: string, sql: string][] = [
  ["entries_without_mailbox", "UPDATE entries SET mailbox = 999 WHERE kind = 'welcome'"],
  ["mailbox_totals", "UPDATE mailboxes SET application_strangers_n = application_strangers_n + 1 WHERE name = 'berta'"],
  ["mailbox_positions", "UPDATE mailboxes SET last_seq = 1"],
  ["account_without_mailbox", "UPDATE mailboxes SET closed = 'unregistered' WHERE name = 'tick'"],
  ["account_without_key", "UPDATE devices SET identity_key = NULL, derived_key = NULL"],
  ["device_without_account", "DELETE FROM accounts WHERE name = 'berta'"],
  ["mailbox_without_device", "DELETE FROM devices WHERE device_key IS NULL"],
  ["group_members", "DELETE FROM members WHERE NOT team AND name = 'berta'"],
  ["members_without_group", "DELETE FROM groups WHERE team"],
  ["members_without_mailbox", "UPDATE members SET mailbox = 999 WHERE name = 'berta' AND NOT team"],
  ["entries_without_body", "DELETE FROM bodies"],
  ["held_without_entry", "UPDATE blobs SET held = 7"],
  ["statements_without_member", "UPDATE statements SET name = 'nobody'"],
  ["keys_without_mailbox", "UPDATE key_packages SET mailbox = 999 WHERE number = 1"],
  [
    "last_resorts_without_mailbox",
    "UPDATE last_resorts SET mailbox = 999 WHERE mailbox = (SELECT min(mailbox) FROM last_resorts)",
  ],
  ["claims_without_mailbox", "UPDATE claims SET claimant = 999"],
  ["peers_without_account", "UPDATE peers SET owner = 'nobody'"],
  ["address_accounts", "UPDATE addresses SET accounts = accounts + 1"],
  ["charges", "UPDATE charges SET bytes = bytes + 1 WHERE payer = '@1'"],
  ["log_id", "DELETE FROM meta WHERE key = 'log_id'"],
  // What a sequence has given is not undone.
  ["sequence_mailboxes", "SELECT setval('mailbox_numbers', 1)"],
  ["sequence_entries", "SELECT setval('blocks', 1)"],
];

/** A store with a row in each table. */
async function fill(url: string): Promise<void> {
  await using world = await StoreWorld.open(async (options) => await openPostgresStore({ ...options, url }));
  world.address = "192.0.2.1";
  const [anna, berta] = [await world.agent("anna"), await world.agent("berta")];
  await world.token("tick");
  await world.peers(anna, { allow: ["berta"] });
  accepted(await world.open(anna, berta, "pair", ["first"]));
  const groupId = "t".repeat(64);
  accepted(await world.found(anna, [berta], groupId));
  accepted(await world.say(anna, groupId, 2, "said"));
  await world.store.keepStatement({ sender: berta.mailbox, groupId, kind: "leave", statement: "bGVhdmU=" });
  accepted(await world.store.claimKeys(berta.mailbox, "anna", true));
  const hashes = { readHash: new Uint8Array(32), tokenHash: new Uint8Array(32) };
  const blob = { mailbox: anna.mailbox, requestId: "one", bytes: 9, readers: 1, ttl: undefined, ...hashes };
  accepted(await world.store.blobs.reserve(blob));
}

describe.runIf(hasPostgres)("a check of the tables", () => {
  test("finds nothing where nothing is wrong, and names whatever is", async () => {
    const url = await database();
    await fill(url);
    expect(await checkTables(url, "aimessage")).toEqual([]);
    await using link = new Link(parseAddress(url), { settings: { search_path: "aimessage" } });
    const sql = await link.use();
    for (const [problem, mistake] of mistakes) {
      await sql("BEGIN");
      await sql(mistake);
      const found = await problemsIn(sql);
      await sql("ROLLBACK");
      expect(found.map((each) => each.problem)).toContain(problem);
    }
  });

  test("is refused where there is no store", async () => {
    await expect(checkTables(await database(), "aimessage")).rejects.toThrow("does not exist");
  });
});
