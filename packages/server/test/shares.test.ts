import { expect, test } from "vitest";
import { networksOf } from "../src/socket/request.ts";
import { Shares } from "../src/socket/shares.ts";
import { SharedBucket } from "../src/socket/rate-limit.ts";

interface Holder {
  owner: string;
  name: string;
}

function sharesOf(most: number, share = most) {
  const ended: string[] = [];
  const end = ({ name }: Holder): void => void ended.push(name);
  return {
    ended,
    shares: new Shares<Holder>({ most, share, ownersOf: ({ owner }) => [owner], between: "newest", end }),
  };
}

test("whoever has much in many pieces gives way before one that has a larger piece", () => {
  const { shares, ended } = sharesOf(100);
  shares.hold({ owner: "honest", name: "large" }, 20);
  for (let count = 0; count < 10; count++) shares.hold({ owner: "eve", name: `${count}` }, 10);
  expect(ended).toEqual(["8", "9"]);
});

test("as many give way as it takes", () => {
  const { shares, ended } = sharesOf(100);
  for (let count = 0; count < 10; count++) shares.hold({ owner: "eve", name: `${count}` }, 10);
  shares.hold({ owner: "honest", name: "large" }, 35);
  expect(ended).toEqual(["9", "8", "7", "6"]);
  const { shares: own, ended: ownEnded } = sharesOf(100, 50);
  for (const name of ["a", "b", "c"]) own.hold({ owner: "eve", name }, 15);
  own.hold({ owner: "eve", name: "d" }, 14);
  own.hold({ owner: "eve", name: "e" }, 45);
  expect(ownEnded).toEqual(["c", "e"]);
});

test("one who has less than others finds room where all is taken", () => {
  const { shares } = sharesOf(4);
  for (const [name, owner] of ["a", "a", "a", "b"].entries()) shares.hold({ owner, name: `${name}` }, 1);
  expect(["a", "b", "c"].map((owner) => shares.hasRoomFor([owner]))).toEqual([false, true, true]);
  expect(shares.hasRoomFor(["c", "a"])).toBe(false);
});

test.each([
  ["192.0.2.1", ["192.0.2.1"]],
  ["2001:db8:1:2::/64", ["2001:db8:1:2::/64", "2001:db8:1::/48"]],
])("%s counts for its customer, too", (address, owners) => {
  expect(networksOf(address)).toEqual(owners);
});

function takenBy(bucket: SharedBucket, owner: string): number {
  for (let count = 0; ; count++) if (bucket.take([owner]) > 0) return count;
}

test("an address that is alone has nearly all of a rate, and as much as before where it is small", () => {
  expect(takenBy(new SharedBucket(0.01, 1), "a")).toBe(1);
  expect(takenBy(new SharedBucket(0.01, 2), "a")).toBe(2);
  const large = new SharedBucket(0.01, 200);
  expect(takenBy(large, "a")).toBeGreaterThanOrEqual(150);
  expect(takenBy(large, "b")).toBeGreaterThan(20);
});
