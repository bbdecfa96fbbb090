import { strict as assert } from "node:assert";
import { accepted, assertRefused, type StoreCase, StoreWorld } from "./store-world.ts";

const DAY_MS = 86_400_000;
const hash = (text: string): string => Buffer.from(text.padEnd(32)).toString("hex");

/** Duties of a store for a relay that registers new names by invite alone. [P-3.8] */
export const inviteCases: Record<string, StoreCase["run"]> = {
  async "an invite registers as many names as it is for, of both kinds, and no more"(open) {
    await using world = await StoreWorld.open(open);
    const { store } = world;
    const invite = await world.invite("one", { uses: 2 });
    const key = new Uint8Array(32);
    assertRefused(await store.registerToken("alice", key, "", "closed"), "registration_closed");
    assertRefused(await store.registerToken("alice", key, "", { invite: undefined }), "invite_required");
    assertRefused(await store.registerToken("alice", key, "", { invite: hash("other") }), "invite_invalid");
    assert.equal(await store.account("alice"), undefined);
    accepted(await store.registerToken("alice", key, "", { invite }));
    assert.equal(await store.objection({ invite }), undefined);
    accepted(await store.registerDevice(world.newDevice("bob"), { invite }));
    assertRefused(await store.registerDevice(world.newDevice("carol"), { invite }), "invite_invalid");
    assertRefused(await store.objection({ invite }), "invite_invalid");
  },

  async "a repeat, and another device of an agent, need no invite and use none"(open) {
    await using world = await StoreWorld.open(open);
    const { store } = world;
    const invite = await world.invite("one");
    accepted(await store.registerDevice(world.newDevice("bob"), { invite }));
    for (const admission of ["closed", { invite: undefined }, { invite }] as const) {
      accepted(await store.registerDevice(world.newDevice("bob"), admission));
      assertRefused(await store.registerDevice(world.newDevice("bob", 1, "mallory"), admission));
    }
    const two = await world.invite("two");
    accepted(await store.registerDevice(world.newDevice("bob", 2), { invite: two }));
    accepted(await store.registerDevice(world.newDevice("bob", 3), "closed"));
    accepted(await store.registerDevice(world.newDevice("carol"), { invite: two }));
  },

  async "what is refused uses up no invite, and without one nobody learns which names are taken"(open) {
    await using world = await StoreWorld.open(open, { addressAccounts: 1 });
    const { store } = world;
    const invite = await world.invite("one");
    await world.token("bob");
    assertRefused(await store.registerToken("bob", new Uint8Array(32), "", { invite }), "username_taken");
    assertRefused(await store.registerDevice(world.newDevice("bob"), { invite }), "username_taken");
    assertRefused(await store.registerDevice(world.newDevice("bob"), { invite: undefined }), "invite_required");
    world.address = "192.0.2.1";
    await world.token("carol");
    assertRefused(await store.registerDevice(world.newDevice("dave"), { invite }), "storage_quota");
    world.address = "";
    accepted(await store.registerDevice(world.newDevice("dave"), { invite }));
  },

  async "an invite ends when it expires or is revoked, and is forgotten a month later"(open) {
    await using world = await StoreWorld.open(open);
    const { store } = world;
    const invite = await world.invite("one", { expiresAt: world.now + DAY_MS });
    const other = await world.invite("two", { expiresAt: world.now + DAY_MS });
    assert.equal((await world.administer("revoke", "two")).outcome, "done");
    assert.equal((await world.administer("revoke", "two")).outcome, "unchanged");
    assert.equal((await world.administer("revoke", "three")).outcome, "unknown_invite");
    assertRefused(await store.objection({ invite: other }), "invite_invalid");
    assert.equal(await store.objection({ invite }), undefined);
    world.now += DAY_MS;
    assertRefused(await store.objection({ invite }), "invite_invalid");
    await world.sweep();
    assert.equal((await world.administer("revoke", "one")).outcome, "done");
    world.now += 31 * DAY_MS;
    await world.sweep();
    assert.equal((await world.administer("revoke", "one")).outcome, "unknown_invite");
  },

  async "that invites were made and revoked is written down, and neither they nor their hashes are"(open) {
    await using world = await StoreWorld.open(open);
    const invite = await world.invite("one");
    await world.administer("revoke", "one");
    const lines = await world.store.audit(10);
    assert.deepEqual(
      lines.map((line) => line.kind === "deed" && [line.what, line.target, line.outcome]),
      [
        ["invite", "one", "done"],
        ["revoke", "one", "done"],
      ],
    );
    assert.ok(!JSON.stringify(lines).includes(invite));
  },
};
