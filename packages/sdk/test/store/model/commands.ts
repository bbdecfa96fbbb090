import * as fc from "fast-check";
import { expect } from "vitest";
import type { ClientStore, Range, Value, WriteTransaction } from "../../../src/store/store.ts";

/** What a store holds: the whole of it. */
export interface Model {
  records: Map<string, Value>;
}
/** One store, seen through two connections, and how one of them is closed and opened again. */
export interface Real {
  views: ClientStore[];
  reopen: (view: number) => Promise<void>;
  /** Whoever reads keeps others from writing for so long, instead of having a state of its own. */
  isHeldByReaders?: boolean;
}
type Command = fc.AsyncCommand<Model, Real>;

/** Something that is done within a transaction. */
type Step = { put: string; value: Value } | { delete: string } | { get: string } | { list: Range };

const key = fc.constantFrom("a", "a/", "a/1", "a/10", "a/2", "a/2/x", "a0", "b", "b/1", "b/~", "in/0001", "in/0002");
const value = fc.oneof(fc.string({ unit: "binary", maxLength: 20 }), fc.uint8Array({ maxLength: 20 }));
const range: fc.Arbitrary<Range> = fc.record(
  {
    prefix: fc.constantFrom("", "a", "a/", "a/2", "b/", "in/", "none/"),
    after: fc.option(fc.oneof(key, fc.constantFrom("", "~", "a/3")), { nil: undefined }),
    limit: fc.option(fc.nat({ max: 4 }), { nil: undefined }),
    reverse: fc.option(fc.boolean(), { nil: undefined }),
  },
  { requiredKeys: ["prefix"] },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ put: key, value: value.map((one) => one as Value) }) },
  { weight: 2, arbitrary: fc.record({ delete: key }) },
  { weight: 1, arbitrary: fc.record({ get: key }) },
  { weight: 2, arbitrary: fc.record({ list: range }) },
);
const view = fc.nat({ max: 1 });
const steps = fc.array(step, { maxLength: 6 });

/** What a range of records is, by the words of the port. */
function listed(records: Map<string, Value>, { prefix, after, limit, reverse }: Range): [string, Value][] {
  const sorted = [...records].filter(([own]) => own.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1));
  const ordered = reverse === true ? sorted.toReversed() : sorted;
  const behind = ordered.filter(([own]) => after === undefined || (reverse === true ? own < after : own > after));
  return limit === undefined ? behind : behind.slice(0, limit);
}

/** Takes the steps in a transaction and in a map, and compares whatever is read. */
async function take(tx: WriteTransaction, records: Map<string, Value>, all: Step[]): Promise<void> {
  for (const one of all)
    if ("put" in one) {
      // The store keeps what it was given, whatever becomes of the caller's bytes.
      const given = typeof one.value === "string" ? one.value : one.value.slice();
      await tx.put(one.put, given);
      if (typeof given !== "string") given.fill(0);
      records.set(one.put, one.value);
    } else if ("delete" in one) {
      await tx.delete(one.delete);
      records.delete(one.delete);
    } else if ("get" in one) expect(await tx.get(one.get)).toEqual(records.get(one.get));
    else expect(await tx.list(one.list)).toEqual(listed(records, one.list));
}

function command(story: string, run: (model: Model, real: Real) => Promise<void>): Command {
  return { check: () => true, run, toString: () => story };
}

const show = (all: Step[]): string => fc.stringify(all);
class OnPurpose extends Error {}

const write = fc.tuple(view, steps).map(([by, all]) =>
  command(`view ${by} writes ${show(all)}`, async (model, { views }) => {
    const records = new Map(model.records);
    const answer = await views[by]?.write(async (tx) => {
      await take(tx, records, all);
      return all.length;
    });
    expect(answer).toBe(all.length);
    model.records = records;
  }),
);

const fail = fc.tuple(view, steps).map(([by, all]) =>
  command(`view ${by} throws after ${show(all)}`, async (model, { views }) => {
    const records = new Map(model.records);
    const work = views[by]?.write(async (tx) => {
      await take(tx, records, all);
      throw new OnPurpose();
    });
    await expect(work).rejects.toBeInstanceOf(OnPurpose);
  }),
);

const read = fc
  .tuple(view, fc.array(fc.oneof(fc.record({ get: key }), fc.record({ list: range })), { maxLength: 4 }))
  .map(([by, all]) =>
    command(`view ${by} reads ${show(all)}`, async (model, { views }) => {
      await views[by]?.read((tx) => take(tx as WriteTransaction, model.records, all));
    }),
  );

/** They run in the order in which they were begun, each alone, and what throws leaves its neighbours as they are. */
const together = fc
  .tuple(view, fc.array(fc.tuple(steps, fc.boolean()), { minLength: 2, maxLength: 5 }))
  .map(([by, works]) =>
    command(
      `view ${by} writes at once ${works.map(([all, fails]) => `${show(all)}${fails ? " and throws" : ""}`).join("; ")}`,
      async (model, { views }) => {
        const results = works.map(async ([all, fails]) =>
          views[by]?.write(async (tx) => {
            const records = new Map(model.records);
            await take(tx, records, all);
            if (fails) throw new OnPurpose();
            model.records = records;
          }),
        );
        const settled = await Promise.allSettled(results);
        expect(settled.map(({ status }) => status)).toEqual(
          works.map(([, fails]) => (fails ? "rejected" : "fulfilled")),
        );
      },
    ),
  );

const addOne = (store: ClientStore): Promise<void> =>
  store.write(async (tx) => tx.put("count", String((Number(await tx.get("count")) || 0) + 1)));

/** Two views write the same counter at once: no write is lost. */
const count = fc.nat({ max: 6 }).map((times) =>
  command(`both count to ${times}`, async (model, { views }) => {
    const before = Number(model.records.get("count") ?? 0) || 0;
    await Promise.all(Array.from({ length: times }, () => views.map(addOne)).flat());
    if (times > 0) model.records.set("count", String(before + times * views.length));
  }),
);

/** A read sees one state, whatever is written meanwhile. */
const during = fc.tuple(view, steps).map(([by, all]) =>
  command(`view ${by} reads while the other writes ${show(all)}`, async (model, { views, isHeldByReaders }) => {
    const before = new Map(model.records);
    const records = new Map(model.records);
    let written: Promise<void> | undefined;
    await views[by]?.read(async (tx) => {
      expect(await tx.list({ prefix: "" })).toEqual(listed(before, { prefix: "" }));
      written = views[1 - by]?.write((other) => take(other, records, all));
      await (isHeldByReaders === true ? new Promise((resolve) => setTimeout(resolve, 5)) : written);
      expect(await tx.list({ prefix: "" })).toEqual(listed(before, { prefix: "" }));
    });
    await written;
    model.records = records;
  }),
);

const scrub = view.map((by) =>
  command(`view ${by} is scrubbed`, async (_model, { views }) => {
    expect(await views[by]?.scrub()).toBe(true);
  }),
);
const reopen = view.map((by) => command(`view ${by} is opened again`, (_model, real) => real.reopen(by)));

/** Anything that can be asked of a store; after each, both views hold what the map holds. */
export const commands: fc.Arbitrary<Command> = fc
  .oneof(
    { weight: 6, arbitrary: write },
    { weight: 2, arbitrary: fail },
    { weight: 3, arbitrary: read },
    { weight: 2, arbitrary: together },
    { weight: 1, arbitrary: count },
    { weight: 1, arbitrary: during },
    { weight: 1, arbitrary: scrub },
    { weight: 1, arbitrary: reopen },
  )
  .map((inner) => ({
    check: () => true,
    toString: () => String(inner),
    async run(model, real) {
      await inner.run(model, real);
      for (const store of real.views)
        expect(await store.read((tx) => tx.list({ prefix: "" }))).toEqual(listed(model.records, { prefix: "" }));
    },
  }));
