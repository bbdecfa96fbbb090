import { AgentError } from "../errors.ts";
import type { ClientStore } from "../store/store.ts";
import { get, put } from "../records/records.ts";
import type { GuardLimits } from "../records/consent-records.ts";
import { goOn, guardLimits, GUARDS } from "../trust/guards.ts";
import { holders, letHeldIn } from "../trust/held.ts";
import { parseName } from "./address.ts";
import { check } from "./arguments.ts";

/** A contact of which more has come than a guard lets through. */
export interface Guarded {
  /** As it spells itself. */
  username: string;
  messages: number;
  /** Our clock, Unix milliseconds. */
  firstAt: number;
  lastAt: number;
}

/** Limits that keep contacts and programs from running away: beyond those of a contact its messages wait for the owner. */
export class Guard {
  readonly #store: ClientStore;

  constructor(store: ClientStore) {
    this.#store = store;
  }

  limits(): Promise<GuardLimits> {
    return this.#store.read(guardLimits);
  }

  /** Changes those that are given; null: back to the default. @throws AgentError usage */
  async set(limits: { [Name in keyof GuardLimits]?: number | null }): Promise<GuardLimits> {
    check("guards", limits, "limits");
    return this.#store.write(async (tx) => {
      const after = { ...(await guardLimits(tx)) };
      for (const [name, value] of Object.entries(limits) as [keyof GuardLimits, number | null][])
        after[name] = value ?? GUARDS[name];
      await put(tx, "meta/guards", "", after);
      return after;
    });
  }

  /** Whose messages wait. */
  list(): Promise<Guarded[]> {
    return this.#store.read(async (tx) =>
      (await holders(tx, "guard")).map(({ from_name: username, messages, first_at: firstAt, last_at: lastAt }) => ({
        username,
        messages,
        firstAt,
        lastAt,
      })),
    );
  }

  /** Lets in what of one waits, and counts anew. @returns how many messages @throws AgentError bad_username, unknown_contact */
  release(username: string): Promise<number> {
    const name = parseName(username);
    return this.#store.write(async (tx) => {
      const [waiting, counted] = [await get(tx, "holding/", `guard/${name}`), await get(tx, "answered/", name)];
      if (waiting === undefined && counted === undefined && (await get(tx, "contact/", name)) === undefined)
        throw new AgentError("unknown_contact", `${username} is not among the contacts`, {
          hint: "aimessage guard lists those of whom something waits",
        });
      await goOn(tx, name, Date.now());
      return letHeldIn(tx, "guard", name);
    });
  }
}
