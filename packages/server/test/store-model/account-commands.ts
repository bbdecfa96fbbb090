import * as fc from "fast-check";
import { expect } from "vitest";
import { address, boxOf, bytes, type Command, command, name, old } from "./command.ts";

export const registerToken = fc.tuple(name, address).map(([username, from]) =>
  command(`register token ${username} from '${from}'`, async (model, { store }) => {
    const result = await store.registerToken(username, bytes("key"), from);
    if (model.account(username) !== undefined) return expect(result).toEqual({ refused: "username_taken" });
    const own = username.toLowerCase();
    const mailbox = model.unknownBox(own) ?? model.createBox(own, undefined);
    for (const entry of model.waiting(mailbox)) entry.unknown = false;
    model.accounts.set(own, {
      kind: "token",
      username,
      mailbox,
      identity: 0,
      counter: 0,
      logins: 0,
      ...model.fresh(from || own),
    });
    expect(result).toMatchObject({ kind: "token", username, mailbox });
  }),
);

export const asDevice = (username: string, identity: number, counter: number, from = ""): Command =>
  command(
    `register device ${counter} of ${username}, identity ${identity}, from '${from}'`,
    async (model, { store }) => {
      const own = username.toLowerCase();
      const deviceId = `${own}-${counter}`;
      const device = { id: deviceId, key: bytes(deviceId), certificate: bytes("c"), counter };
      const first = `${deviceId} of ${identity}`;
      const keys = { keyPackages: [bytes(first)], lastResort: bytes(`last ${first}`) };
      const result = await store.registerDevice({
        username,
        identityKey: bytes(`${identity}`),
        device,
        ...keys,
        address: from,
      });
      const known = model.account(username);
      if (known !== undefined && (known.kind !== "key" || known.identity !== identity))
        return expect(result).toEqual({ refused: "username_taken" });
      if (known?.counter === counter) return expect(result).toMatchObject({ replaced: undefined });
      if (known !== undefined && counter < known.counter)
        return expect(result).toEqual({ refused: "device_counter", highest: known.counter });
      const before = known?.mailbox ?? model.unknownBox(own);
      if (before !== undefined) model.close(before, known === undefined ? "unregistered" : "device_replaced");
      if (known !== undefined) model.removeKeys(known.mailbox);
      const mailbox = model.createBox(own, counter);
      const shown = known?.username ?? username;
      model.accounts.set(own, {
        kind: "key",
        username: shown,
        mailbox,
        identity,
        counter,
        logins: 0,
        ...model.fresh(known?.address ?? (from || own)),
      });
      const at = model.now;
      model.stocks.set(mailbox, { left: [{ name: first, at }], lastResort: { name: `last ${first}`, at } });
      expect(result).toMatchObject({ replaced: known?.mailbox, account: { mailbox, username: shown } });
    },
  );
export const registerDevice = fc
  .tuple(name, fc.constantFrom(1, 1, 1, 2), fc.integer({ min: 1, max: 4 }), address)
  .map((device) => asDevice(...device));

export const login = fc.tuple(name, old, fc.integer({ min: 1, max: 5 })).map(([username, isOld, counter]) =>
  command(`${username} logs in with ${counter}`, async (model, { store }) => {
    const mailbox = boxOf(model, username, isOld);
    const result = await store.login(mailbox, counter);
    const account = model.active(mailbox);
    store.entered(mailbox);
    // Of whichever kind it is, and whatever the store has said of the counter.
    if (account !== undefined) account.seen = model.today;
    if (account?.kind === "token") account.entered = true;
    if (account?.kind !== "key") return expect(result).toEqual({ refused: "device_replaced" });
    if (counter <= account.logins) return expect(result).toEqual({ refused: "login_counter", highest: account.logins });
    Object.assign(account, { logins: counter, seen: model.today });
    expect(result).toBeUndefined();
  }),
);

export const remove = fc.tuple(name, old, fc.boolean()).map(([username, isOld, release]) =>
  command(`${username} unregisters${release ? ", released" : ""}`, async (model, { store }) => {
    const mailbox = boxOf(model, username, isOld);
    const account = model.active(mailbox);
    expect(await store.removeAccount(mailbox, release)).toBe(account !== undefined);
    if (account === undefined) return;
    model.remove(mailbox, release);
  }),
);

export const setPeers = fc
  .tuple(
    name,
    old,
    fc.constantFrom(undefined, undefined, "allow" as const, "block" as const, "all" as const),
    fc.array(name, { maxLength: 2 }),
    fc.array(name, { maxLength: 1 }),
  )
  .map(([username, isOld, clear, allow, block]) =>
    command(
      `${username} ${clear ? `forgets ${clear}, ` : ""}lets in ${allow.join(", ")}, blocks ${block.join(", ")}`,
      async (model, { store }) => {
        const mailbox = boxOf(model, username, isOld);
        const result = await store.setPeers(mailbox, { clear, allow, block });
        if (model.active(mailbox) === undefined) return expect(result).toEqual({ refused: "device_replaced" });
        const own = model.name(mailbox);
        for (const [peer, blocked] of model.peers.get(own) ?? [])
          if (clear === "all" || clear === (blocked ? "block" : "allow")) model.peers.get(own)?.delete(peer);
        model.setPeers(own, allow, false);
        model.setPeers(own, block, true);
        expect(result).toBeUndefined();
      },
    ),
  );
