import * as fc from "fast-check";
import { expect } from "vitest";
import { boxOf, bytes, command, name, old } from "./command.ts";

const text = (found: Uint8Array): string => new TextDecoder().decode(found).trimEnd();

export const claim = fc.tuple(name, old, name, fc.boolean()).map(([by, isOld, of, another]) =>
  command(`${by} claims ${another ? "another key" : "a key"} of ${of}`, async (model, { store }) => {
    const claimant = boxOf(model, by, isOld);
    const result = await store.claimKeys(claimant, of, another);
    const shown = "keyPackage" in result ? text(result.keyPackage) : result.refused;
    const owner = model.account(of);
    if (model.active(claimant) === undefined) return expect(shown).toBe("device_replaced");
    if (owner === undefined || owner.kind === "removed") return expect(shown).toBe("unknown_user");
    if (owner.kind === "token") return expect(shown).toBe("encryption_required");
    if (owner.mailbox === claimant) return expect(shown).toBe("self_send");
    if (model.standing(owner.mailbox, model.name(claimant)) === "blocked") return expect(shown).toBe("blocked");
    const held = another ? undefined : model.claimed(claimant, owner.mailbox);
    if (held !== undefined) return expect(shown).toBe(held.name);
    const [next] = model.stock(owner.mailbox);
    if (next === undefined) return expect(shown).toBe(model.lastResort(owner.mailbox)?.name ?? "no_key_packages");
    const stock = model.stocks.get(owner.mailbox);
    if (stock !== undefined) stock.left = stock.left.filter((one) => one !== next);
    model.claims.set(`${claimant}/${owner.mailbox}`, { ...next, claimed: model.now });
    expect(shown).toBe(next.name);
  }),
);

let published = 0;
export const publish = fc.tuple(name, old, fc.nat({ max: 3 }), fc.boolean()).map(([username, isOld, count, replace]) =>
  command(
    `${username} publishes ${count} keys${replace ? " in place of the others" : ""}`,
    async (model, { store }) => {
      const mailbox = boxOf(model, username, isOld);
      const account = model.active(mailbox);
      if (account?.kind === "token") return;
      const names = Array.from({ length: count }, () => `published ${++published}`);
      const result = await store.publishKeys(mailbox, names.map(bytes), undefined, replace);
      if (account === undefined) return expect(result).toEqual({ refused: "device_replaced" });
      account.seen = model.today;
      const stock = model.stocks.get(mailbox) ?? { left: [], lastResort: undefined };
      model.stocks.set(mailbox, stock);
      if (replace) {
        stock.left = [];
        for (const key of model.claims.keys()) if (key.endsWith(`/${mailbox}`)) model.claims.delete(key);
      }
      stock.left = [...model.stock(mailbox), ...names.map((own) => ({ name: own, at: model.now }))];
      expect(result).toBe(stock.left.length);
    },
  ),
);
