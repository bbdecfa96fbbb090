import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { GroupCommit } from "../src/store/group-commit.ts";

function world() {
  const db = new DatabaseSync(":memory:");
  db.exec("CREATE TABLE numbers (n)");
  const commits: number[] = [];
  const group = new GroupCommit(
    db,
    () => {},
    (milliseconds) => commits.push(milliseconds),
  );
  const add = (n: number) => () => db.prepare("INSERT INTO numbers VALUES (?)").run(n).changes;
  const numbers = () =>
    db
      .prepare("SELECT n FROM numbers ORDER BY n")
      .all()
      .map(({ n }) => n);
  return { group, commits, add, numbers };
}

const fails = (): never => {
  throw new Error("no");
};

test("work of one turn and of those that follow without a pause shares one commit", async () => {
  const { group, commits, add, numbers } = world();
  const first = group.write(add(1));
  const later = new Promise((resolve) => setImmediate(() => resolve(group.write(add(2)))));
  await Promise.all([first, later]);
  expect(numbers()).toEqual([1, 2]);
  expect(commits).toHaveLength(1);
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
