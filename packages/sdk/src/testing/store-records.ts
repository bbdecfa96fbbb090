import type { ClientStore, Range, Value } from "../store/store.ts";
import { type ClientStoreCase, refuses, same } from "./store-case.ts";

const put = (store: ClientStore, ...records: [string, Value][]) =>
  store.write(async (tx) => {
    for (const [key, value] of records) await tx.put(key, value);
  });
const get = (store: ClientStore, key: string) => store.read((tx) => tx.get(key));
const keys = async (store: ClientStore, range: Range) =>
  (await store.read((tx) => tx.list(range))).map(([key]) => key).join(" ");
const fail = async () => {
  throw new Error("on purpose");
};

/** What a store says of records and transactions. */
export const recordCases: ClientStoreCase[] = [
  {
    name: "keeps records, replaces them, and forgets what is deleted",
    async run(open) {
      const { store } = await open();
      same(await get(store, "a"), undefined, "before it is put");
      await put(store, ["a", "one"], ["b", "two"]);
      await put(store, ["a", "three"]);
      same(await get(store, "a"), "three", "after it is replaced");
      await store.write(async (tx) => {
        await tx.delete("a");
        await tx.delete("never there");
        same(await tx.get("a"), undefined, "within the deleting transaction");
      });
      same(await get(store, "a"), undefined, "after it is deleted");
      same(await get(store, "b"), "two", "its neighbour");
    },
  },
  {
    name: "gives texts and bytes back exactly, empty or a megabyte long",
    async run(open) {
      const { store, again } = await open();
      const values: Value[] = [
        "",
        "NUL \0 inside\0",
        "\u{1f510}\r\n\u{2028}\u{feff}",
        "x".repeat(1 << 20),
        new Uint8Array(),
        Uint8Array.from({ length: 256 }, (_, byte) => byte),
        new Uint8Array(1 << 20).fill(0xff),
      ];
      await put(store, ...values.map((value, index): [string, Value] => [`value/${index}`, value]));
      for (const view of [store, await again()])
        for (const [index, value] of values.entries()) {
          const found = await get(view, `value/${index}`);
          same(typeof found, typeof value, `type of value ${index}`);
          same(found, value, `value ${index}`);
        }
    },
  },
  {
    name: "is not changed by what its caller does to bytes put or read",
    async run(open) {
      const { store } = await open();
      const secret = Uint8Array.of(1, 2, 3);
      await put(store, ["secret", secret]);
      secret.fill(0);
      for (let round = 0; round < 2; round++) {
        const found = await get(store, "secret");
        const [listed] = await store.read((tx) => tx.list({ prefix: "sec" }));
        for (const value of [found, listed?.[1]]) {
          same(value, Uint8Array.of(1, 2, 3), "after the bytes were wiped");
          (value as Uint8Array).fill(0);
        }
      }
    },
  },
  {
    name: "lists a prefix in the order of keys, from either end, in parts",
    async run(open) {
      const { store } = await open();
      await put(
        store,
        ...["a/", "a/1", "a/10", "a/2", "a/B", "a/b", "a/~", "a", "a0", "b/1", "A/1"].map((key): [string, Value] => [
          key,
          key,
        ]),
      );
      const expectations: [Range, string][] = [
        [{ prefix: "a/" }, "a/ a/1 a/10 a/2 a/B a/b a/~"],
        [{ prefix: "a/", reverse: true }, "a/~ a/b a/B a/2 a/10 a/1 a/"],
        [{ prefix: "a/", limit: 2 }, "a/ a/1"],
        [{ prefix: "a/", limit: 2, reverse: true }, "a/~ a/b"],
        [{ prefix: "a/", limit: 0 }, ""],
        [{ prefix: "a/", after: "a/10" }, "a/2 a/B a/b a/~"],
        [{ prefix: "a/", after: "a/10", limit: 1 }, "a/2"],
        [{ prefix: "a/", after: "a/10", reverse: true }, "a/1 a/"],
        // Marks that are no keys, or lie outside of the prefix.
        [{ prefix: "a/", after: "a/11" }, "a/2 a/B a/b a/~"],
        [{ prefix: "a/", after: "A" }, "a/ a/1 a/10 a/2 a/B a/b a/~"],
        [{ prefix: "a/", after: "b" }, ""],
        [{ prefix: "a/", after: "b", reverse: true }, "a/~ a/b a/B a/2 a/10 a/1 a/"],
        [{ prefix: "a/", after: "A", reverse: true }, ""],
        [{ prefix: "c" }, ""],
        [{ prefix: "" }, "A/1 a a/ a/1 a/10 a/2 a/B a/b a/~ a0 b/1"],
      ];
      for (const [range, expected] of expectations) same(await keys(store, range), expected, JSON.stringify(range));
      const pages: string[] = [];
      for (let after: string | undefined; ;) {
        const page = await store.read((tx) => tx.list({ prefix: "a/", after, limit: 3 }));
        pages.push(page.map(([key, value]) => (key === value ? key : "wrong value")).join(" "));
        if (page.length < 3) break;
        after = page.at(-1)?.[0];
      }
      same(pages, ["a/ a/1 a/10", "a/2 a/B a/b", "a/~"], "in pages of three");
    },
  },
  {
    name: "sees its own writes within a transaction",
    async run(open) {
      const { store } = await open();
      await put(store, ["a", "old"]);
      await store.write(async (tx) => {
        await tx.put("a", "new");
        await tx.put("b", "new");
        same(await tx.get("a"), "new", "get");
        same((await tx.list({ prefix: "" })).length, 2, "list");
      });
    },
  },
  {
    name: "writes nothing of a transaction that throws, and all of its neighbours",
    async run(open) {
      const { store } = await open();
      await put(store, ["a", "old"]);
      // Begun together, so that a store may group them.
      const results = await Promise.allSettled([
        put(store, ["b", "new"]),
        store.write(async (tx) => {
          await tx.put("a", "new");
          await tx.put("c", "new");
          await tx.delete("b");
          await fail();
        }),
        put(store, ["d", "new"]),
        store.write(fail),
        put(store, ["e", "new"]),
      ]);
      same(
        results.map((result) => result.status === "fulfilled"),
        [true, false, true, false, true],
        "results",
      );
      same((results[1] as PromiseRejectedResult).reason?.message, "on purpose", "the error itself");
      same(
        await store.read((tx) => tx.list({ prefix: "" })),
        [
          ["a", "old"],
          ["b", "new"],
          ["d", "new"],
          ["e", "new"],
        ],
        "records",
      );
    },
  },
  {
    name: "runs one write at a time, in the order in which they were begun",
    async run(open) {
      const { store } = await open();
      const order: number[] = [];
      let running = 0;
      await Promise.all(
        Array.from({ length: 30 }, (_, index) =>
          store.write(async (tx) => {
            same(++running, 1, "writes at once");
            await Promise.resolve();
            order.push(index);
            await tx.put(`order/${index}`, "");
            running--;
          }),
        ),
      );
      same(
        order,
        order.toSorted((a, b) => a - b),
        "order",
      );
    },
  },
  {
    name: "takes a thousand writes at once and loses none",
    async run(open) {
      const { store, again } = await open();
      await put(store, ["count", "0"]);
      const results = await Promise.all(
        Array.from({ length: 1000 }, (_, index) =>
          store.write(async (tx) => {
            await tx.put("count", String(Number(await tx.get("count")) + 1));
            await tx.put(`log/${String(index).padStart(4, "0")}`, String(index));
            return index;
          }),
        ),
      );
      same(
        results,
        Array.from({ length: 1000 }, (_, index) => index),
        "results",
      );
      const other = await again();
      same(await get(other, "count"), "1000", "count");
      same(
        (await other.read((tx) => tx.list({ prefix: "log/" }))).map(([, value]) => Number(value)),
        results,
        "log",
      );
    },
  },
  {
    name: "reads one consistent state, whatever is written meanwhile",
    async run(open) {
      const { store, again } = await open();
      const other = await again();
      await put(store, ["a", "0"], ["b", "0"]);
      const writes = (async () => {
        for (let round = 1; round <= 50; round++) await put(store, ["a", String(round)], ["b", String(round)]);
      })();
      for (let round = 0; round < 50; round++) {
        const [a, b] = await other.read(async (tx) => [await tx.get("a"), await tx.get("b")]);
        same(a, b, "two records that change together");
      }
      await writes;
      same(await get(other, "a"), "50", "the last state");
    },
  },
  {
    name: "goes on after a read that throws",
    async run(open) {
      const { store } = await open();
      const outcome = await store.read(fail).catch((error: Error) => error.message);
      same(outcome, "on purpose", "the error itself");
      await put(store, ["a", "new"]);
      same(await get(store, "a"), "new", "afterwards");
    },
  },
  {
    name: "is closed once, and refuses everything then but listeners, who hear nothing",
    async run(open) {
      const { store, again } = await open();
      await put(store, ["a", "kept"]);
      await Promise.all([store.close(), store.close()]);
      await store.close();
      await refuses("closed", "read", () => get(store, "a"));
      await refuses("closed", "write", () => put(store, ["a", "new"]));
      await refuses("closed", "takeLink", () => store.takeLink("late"));
      await store.scrub();
      store.onChange(() => undefined)();
      same(await get(await again(), "a"), "kept", "what others see");
    },
  },
  {
    name: "refuses whoever uses it while it is closed with nothing but `closed`, and wakes who waits for a change",
    async run(open) {
      const { store } = await open();
      let changes = 0;
      store.onChange(() => (changes += 1));
      const work = async (kind: "read" | "write") => {
        for (;;)
          await store[kind](async (tx) => {
            await tx.get("a");
            await new Promise((resolve) => setTimeout(resolve));
            await tx.list({ prefix: "" });
          });
      };
      const workers = (["read", "write", "read", "write"] as const).map((kind) =>
        refuses("closed", kind, () => work(kind)),
      );
      await put(store, ["a", "new"]);
      const before = changes;
      await store.close();
      await Promise.all(workers);
      same(changes > before, true, "the listener is told");
    },
  },
  {
    name: "finishes what was begun before it is closed",
    async run(open) {
      const { store, again } = await open();
      const begun = Array.from({ length: 200 }, (_, index) => put(store, [`record/${index}`, ""]));
      const [results] = await Promise.all([Promise.allSettled(begun), store.close()]);
      const other = await again();
      for (const [index, { status }] of results.entries()) {
        same(status, "fulfilled", `the writing of record ${index}`);
        same(await get(other, `record/${index}`), "", `record ${index}`);
      }
    },
  },
];
