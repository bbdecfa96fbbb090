import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { GroupCommit, type Sync } from "../src/store/sqlite/group-commit.ts";

function world(sync?: Sync) {
  const db = new DatabaseSync(":memory:");
  db.exec("CREATE TABLE numbers (n)");
  const commits: number[] = [];
  const group = new GroupCommit(db, {
    sync,
    disk: undefined,
    forget: () => {},
    flush: () => {},
    onCommit: (milliseconds) => commits.push(milliseconds),
  });
  const add = (n: number) => () => db.prepare("INSERT INTO numbers VALUES (?)").run(n).changes;
  const numbers = () =>
    db
      .prepare("SELECT n FROM numbers ORDER BY n")
      .all()
      .map(({ n }) => n);
  return { group, commits, add, numbers };
}

/** A disk that works until it is told that it is done. */
function disk() {
  const works: ((error: Error | null) => void)[] = [];
  const sync: Sync = (done) => works.push(done);
  return { sync, works };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

const fails = (): never => {
  throw new Error("no");
};

test("work of one turn shares one commit", async () => {
  const { group, commits, add, numbers } = world();
  await Promise.all([group.write(add(1)), group.write(add(2))]);
  expect(numbers()).toEqual([1, 2]);
  expect(commits).toHaveLength(1);
});

test("nothing resolves before the disk has it, and what comes meanwhile shares the next commit", async () => {
  const { sync, works } = disk();
  const { group, commits, add } = world(sync);
  const resolved: number[] = [];
  const write = (n: number) => void group.write(add(n)).then(() => resolved.push(n));
  write(1);
  await turn();
  for (const n of [2, 3]) {
    write(n);
    await turn();
  }
  expect([works.length, resolved]).toEqual([1, []]);
  works[0]?.(null);
  await turn();
  await turn();
  expect([works.length, resolved]).toEqual([2, [1]]);
  works[1]?.(null);
  await turn();
  expect(resolved).toEqual([1, 2, 3]);
  expect(commits).toHaveLength(2);
});

test("a disk that has failed is not believed any more: all that waits fails, and all that follows", async () => {
  const { sync, works } = disk();
  const { group, add } = world(sync);
  const outcomes = Promise.allSettled([
    group.write(add(1)),
    turn().then(() => group.write(add(2))),
    turn().then(() => group.writeSoon(add(3))),
  ]);
  await turn();
  await turn();
  works[0]?.(new Error("input/output error"));
  expect((await outcomes).map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
  await expect(group.write(add(4))).rejects.toThrow("input/output error");
  await expect(group.read(() => 1)).rejects.toThrow("input/output error");
  await group.finish();
  expect(works).toHaveLength(1);
});

test("work that can wait is done with the next, or by itself", async () => {
  const { group, commits, add, numbers } = world();
  const waits = group.writeSoon(add(1));
  await group.write(add(2));
  await waits;
  expect(commits).toHaveLength(1);
  await group.writeSoon(add(3));
  expect(numbers()).toEqual([1, 2, 3]);
});

test("what shares a transaction with work that fails is undone and told so, and the next is not touched", async () => {
  const { group, add, numbers } = world();
  const outcomes = await Promise.allSettled([
    group.writeSoon(add(1)),
    group.write(add(2)),
    group.write(fails),
    group.writeSoon(add(3)),
    group.write(add(4)),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(Array<string>(5).fill("rejected"));
  expect(numbers()).toEqual([]);
  await group.write(add(5));
  expect(numbers()).toEqual([5]);
});
