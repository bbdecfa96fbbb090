import type { ClientStore } from "../store/store.ts";
import { type ClientStoreCase, eventually, pause, same } from "./store-case.ts";

const put = (store: ClientStore, key: string, value: string) => store.write((tx) => tx.put(key, value));
const increment = (store: ClientStore) =>
  store.write(async (tx) => tx.put("count", String(Number((await tx.get("count")) ?? 0) + 1)));

/** What a store says to several that use it: changes, and the link. */
export const sharingCases: ClientStoreCase[] = [
  {
    name: "shows each commit to everybody at once",
    async run(open) {
      const { store, again } = await open();
      const other = await again();
      await put(store, "a", "from one");
      same(await other.read((tx) => tx.get("a")), "from one", "to the other");
      await put(other, "a", "from the other");
      same(await store.read((tx) => tx.get("a")), "from the other", "to the one");
    },
  },
  {
    name: "loses no increment of two that write at once",
    async run(open) {
      const { store, again } = await open();
      const other = await again();
      const writes: Promise<void>[] = [];
      for (let round = 0; round < 50; round++) {
        writes.push(increment(store), increment(other));
        if (round % 7 === 0) await pause();
      }
      await Promise.all(writes);
      same(await store.read((tx) => tx.get("count")), "100", "count");
    },
  },
  {
    name: "calls listeners for commits of its own and of others, until they are removed",
    async run(open) {
      const { store, again } = await open();
      const other = await again();
      let calls = 0;
      const stop = store.onChange(() => calls++);
      await put(store, "a", "own");
      await eventually("own commit", () => calls > 0);
      // Late calls for the first commit must not be taken for the second's.
      await pause(50);
      calls = 0;
      await put(other, "a", "other's");
      await eventually("commit of another", () => calls > 0);
      stop();
      await pause(50);
      calls = 0;
      await put(store, "a", "unheard");
      await put(other, "a", "unheard");
      await pause(50);
      same(calls, 0, "calls after the listener was removed");
    },
  },
  {
    // The link looks whenever it is called, and most often finds nothing to write.
    name: "comes to rest, though a listener answers each call by a write that changes nothing",
    async run(open) {
      const { store } = await open();
      let calls = 0;
      const look = () => store.write((tx) => tx.get("a")).catch(() => undefined);
      const stop = store.onChange(() => {
        calls += 1;
        setTimeout(() => void look());
      });
      await put(store, "a", "new");
      const isAtRest = async () => {
        const before = calls;
        await pause(50);
        return calls > 0 && calls === before;
      };
      await eventually("no more calls", isAtRest).finally(stop);
      const version = store.version();
      await look();
      same(store.version(), version, "the version after a write that changes nothing");
    },
  },
  {
    name: "shows a listener what it is called for",
    async run(open) {
      const { store, again } = await open();
      const other = await again();
      const seen: unknown[] = [];
      const stop = other.onChange(() => {
        void other.read((tx) => tx.get("a")).then((value) => seen.push(value));
      });
      await put(store, "a", "new");
      await eventually("the new record", () => seen.includes("new"));
      stop();
    },
  },
  {
    name: "gives the link to one at a time",
    async run(open) {
      const { store, again } = await open();
      const other = await again();
      const lock = await store.takeLink("the first");
      same(lock === undefined, false, "the first takes it");
      same(await other.takeLink("the second"), undefined, "the second is refused");
      same(await store.takeLink("the first again"), undefined, "the first is refused a second one");
      for (const view of [store, other]) {
        const holder = await view.linkHolder();
        same([holder?.role, holder?.stopped], ["the first", false], "its holder");
      }
      await lock?.release();
      same(await store.linkHolder(), undefined, "nobody holds it after release");
      const next = await other.takeLink("the second");
      same(next === undefined, false, "free after release");
      same((await store.linkHolder())?.role, "the second", "its next holder");
      // An old lock frees nothing any more.
      await lock?.release();
      same(await store.takeLink("the first"), undefined, "after the old lock is released again");
      same((await store.linkHolder())?.role, "the second", "its holder, still");
      await next?.release();
    },
  },
  {
    name: "lets others write while one holds the link",
    async run(open) {
      const { store, again } = await open();
      const other = await again();
      const lock = await store.takeLink("link");
      await put(other, "a", "work for the link");
      same(await store.read((tx) => tx.get("a")), "work for the link", "what the link reads");
      await lock?.release();
    },
  },
  {
    name: "tells those who wait that the link is free",
    async run(open) {
      const { store, again } = await open();
      const other = await again();
      const lock = await store.takeLink("link");
      let calls = 0;
      const stop = other.onChange(() => calls++);
      await pause(50);
      calls = 0;
      await lock?.release();
      await eventually("a call after release", () => calls > 0);
      stop();
    },
  },
  {
    name: "has another version as soon as anybody has committed a change, and the same until then",
    async run(open) {
      const { store, again } = await open();
      const other = await again();
      const versions = [store.version()];
      await store.read((tx) => tx.get("a"));
      same(store.version(), versions[0], "the version after a look");
      for (const writer of [other, store, other]) {
        await put(writer, "a", String(versions.length));
        versions.push(store.version());
      }
      same(new Set(versions).size, 4, "versions of four states");
    },
  },
  {
    name: "takes a release of the link after it was closed",
    async run(open) {
      const { store, again } = await open();
      const other = await again();
      const lock = await store.takeLink("link");
      await put(store, "a", "rings the bell");
      await store.close();
      await lock?.release();
      const next = await other.takeLink("next");
      same(next === undefined, false, "free after release");
      await next?.release();
    },
  },
  {
    name: "tells, if it names processes at all, those that live from those that have let go of it",
    async run(open) {
      const { store, again } = await open();
      const other = await again();
      const [mark, others] = [store.mark?.(), other.mark?.()];
      if (mark === undefined || others === undefined) return;
      same(store.mark?.(), mark, "the mark of one, again");
      same(mark === others, false, "one mark for two");
      for (const view of [store, other])
        for (const living of [mark, others]) same(view.isGone?.(living), false, "gone while it lives");
      same(
        await store.write(async (tx) => {
          await tx.put("a", "one");
          return store.isGone?.(others);
        }),
        false,
        "gone while it lives, asked inside of a transaction",
      );
      await other.close();
      await eventually("it is known to be gone once it is closed", () => store.isGone?.(others) === true);
      same(store.isGone?.(mark), false, "gone when another one is");
      const nobodys = "0123456789abcdef0123456789abcdef";
      await eventually("it is known to be gone if nobody has ever had it", () => store.isGone?.(nobodys) === true);
    },
  },
];
