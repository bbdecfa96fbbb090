/**
 * The order of messages in the epochs of teams, as the store has it [P-15.8]: where each stands (`order/`), the hashes of its last places, some in a row
 * (`order-page/`), and what came before something that has its place before it (`order-wait/`). A message rewrites one row of each of the first two.
 */
import { fromBase64, toBase64 } from "../protocol/index.ts";
import { KNOWN_PLACES, type Placed } from "../crypto/team/transcript.ts";
import type { Group } from "../crypto/mls/seam.ts";
import type { TeamCrypto } from "../crypto/mls/team.ts";
import type { WriteTransaction } from "../store/store.ts";
import { get, pad, put, remove, rowsUnder, toBytes } from "../records/records.ts";
import type { OrderRecord } from "../records/team-records.ts";

/** Places in a row, and bytes of each. */
const PAGE = 8;
const HASH = 32;
const KNOWN_PAGES = KNOWN_PLACES / PAGE;
/** Epochs of which the authenticator is known, for what others say of theirs. */
const KNOWN_EPOCHS = 64;

/** That of one epoch, in memory. */
export interface Order {
  group: string;
  epoch: number;
  record: OrderRecord;
  /** Rows of hashes that were looked at, by number. */
  pages: Map<number, Uint8Array>;
  changed: boolean;
}

/** What of a turn, and of a team, is used here. */
interface InTurn {
  readonly tx: WriteTransaction;
}
interface InTeam {
  readonly record: { id: string; epoch: number };
  readonly orders: Map<number, Order>;
}

/** Begins the order of a team's present epoch, whose first message is to come. */
export async function beginOrder(
  {
    tx,
    teams,
    cache,
  }: InTurn & { teams: Pick<TeamCrypto, "authenticator">; cache: { forks: { enter(group: string): void } } },
  team: InTeam & { group: Group },
): Promise<void> {
  const { id, epoch } = team.record;
  const order: Order = { group: id, epoch, record: { pos: 0, open: 0 }, pages: new Map(), changed: true };
  team.orders.set(epoch, order);
  cache.forks.enter(id);
  await put(tx, "order/", `${id}/${pad(epoch)}`, order.record);
  await tx.put(`order-start/${id}/${pad(epoch)}`, teams.authenticator(team.group));
  await tx.delete(`order-start/${id}/${pad(epoch - KNOWN_EPOCHS)}`);
  await dropOrder(tx, team, epoch - 2);
}

/** That of an epoch, if it was followed from its beginning and is not too long ago. */
export async function orderOf({ tx }: InTurn, team: InTeam, epoch: number): Promise<Order | undefined> {
  const known = team.orders.get(epoch);
  if (known !== undefined) return known;
  const { id } = team.record;
  const record = epoch < 0 ? undefined : await get(tx, "order/", `${id}/${pad(epoch)}`);
  if (record === undefined) return undefined;
  const order: Order = { group: id, epoch, record, pages: new Map(), changed: false };
  team.orders.set(epoch, order);
  return order;
}

/** h(p) of a place that is known; h(0) is the epoch's authenticator. */
export async function hashOf({ tx }: InTurn, order: Order, pos: number): Promise<Uint8Array | undefined> {
  if (pos === 0) return startOf(tx, order.group, order.epoch);
  if (pos > order.record.pos || pos <= order.record.pos - KNOWN_PLACES) return undefined;
  const at = (pos - 1) % PAGE;
  const page = await pageOf(tx, order, Math.floor((pos - 1) / PAGE));
  return page.length < (at + 1) * HASH ? undefined : page.slice(at * HASH, (at + 1) * HASH);
}

/** The authenticator of an epoch of a group, if we were there and it is not too long ago. */
export async function startOf(tx: WriteTransaction, group: string, epoch: number): Promise<Uint8Array | undefined> {
  const start = await tx.get(`order-start/${group}/${pad(epoch)}`);
  return start === undefined ? undefined : toBytes(start);
}

/** The next place has this hash. */
export async function addHash({ tx }: InTurn, order: Order, hash: Uint8Array): Promise<void> {
  const number = Math.floor(order.record.pos / PAGE);
  const page = order.record.pos % PAGE === 0 ? new Uint8Array() : await pageOf(tx, order, number);
  const longer = new Uint8Array(page.length + HASH);
  longer.set(page);
  longer.set(hash, page.length);
  order.pages.set(number, longer);
  order.record.pos += 1;
  order.changed = true;
}

async function pageOf(tx: WriteTransaction, order: Order, number: number): Promise<Uint8Array> {
  const known = order.pages.get(number);
  if (known !== undefined) return known;
  return toBytes((await tx.get(pageKey(order, number))) ?? new Uint8Array());
}

function pageKey({ group, epoch }: Order, number: number): string {
  return `order-page/${group}/${pad(epoch)}/${pad(number)}`;
}

function waitKey({ group, epoch }: Order, pos: number): string {
  return `${group}/${pad(epoch)}/${pad(pos)}`;
}

/** What waits at a place for those before it. */
export async function waitsAt({ tx }: InTurn, order: Order, pos: number): Promise<Placed | undefined> {
  const row = await get(tx, "order-wait/", waitKey(order, pos));
  return row === undefined ? undefined : { pos, sender: row.sender, messageId: row.id, digest: fromBase64(row.digest) };
}

/** `isOwn`: the relay has said its place, which says nothing of what else has come. */
export async function letWait({ tx }: InTurn, order: Order, placed: Placed, isOwn: boolean): Promise<void> {
  const { record } = order;
  const { pos, sender, messageId, digest } = placed;
  await put(tx, "order-wait/", waitKey(order, pos), { sender, id: messageId, digest: toBase64(digest) });
  order.changed = true;
  if (isOwn) record.own = [...(record.own ?? []), pos];
  else {
    record.waits = (record.waits ?? 0) + 1;
    record.last = Math.max(record.last ?? 0, pos);
  }
}

export async function waitsNoMore({ tx }: InTurn, order: Order, pos: number): Promise<void> {
  const { record } = order;
  await remove(tx, "order-wait/", waitKey(order, pos));
  order.changed = true;
  const own = record.own?.filter((one) => one !== pos) ?? [];
  if (own.length === (record.own?.length ?? 0)) record.waits = (record.waits ?? 1) - 1;
  else record.own = own;
  if (own.length === 0) delete record.own;
  if (record.waits !== 0) return;
  delete record.waits;
  delete record.last;
}

/** Nothing is known of an epoch's order any more. */
export async function loseOrder({ tx }: InTurn, order: Order): Promise<void> {
  const { group, epoch, record } = order;
  order.record = { pos: record.pos, open: record.open, lost: true };
  order.pages.clear();
  order.changed = true;
  await dropRows(tx, `${group}/${pad(epoch)}/`);
}

async function dropOrder(tx: WriteTransaction, { record: { id }, orders }: InTeam, epoch: number): Promise<void> {
  orders.delete(epoch);
  if (epoch < 0) return;
  await tx.delete(`order/${id}/${pad(epoch)}`);
  await dropRows(tx, `${id}/${pad(epoch)}/`);
}

/** What is known of the orders of a group that is followed no more, or from another epoch on. */
export async function dropOrders({ tx }: InTurn, { record: { id }, orders }: InTeam): Promise<void> {
  orders.clear();
  for (const table of ["order/", "order-start/"]) await dropRows(tx, `${id}/`, table);
  await dropRows(tx, `${id}/`);
}

async function dropRows(tx: WriteTransaction, under: string, ...tables: string[]): Promise<void> {
  for (const table of tables.length > 0 ? tables : ["order-page/", "order-wait/"])
    for await (const [key] of rowsUnder(tx, table + under)) await tx.delete(key);
}

/** Writes what has changed, once. */
export async function flushOrders({ tx }: InTurn, { orders }: InTeam): Promise<void> {
  for (const order of orders.values()) {
    if (!order.changed) continue;
    order.changed = false;
    const { group, epoch, record, pages } = order;
    await put(tx, "order/", `${group}/${pad(epoch)}`, record);
    const last = Math.floor((record.pos - 1) / PAGE);
    for (const [number, page] of pages) {
      await tx.put(pageKey(order, number), page);
      if (number > KNOWN_PAGES) await tx.delete(pageKey(order, number - KNOWN_PAGES - 1));
      if (number !== last) pages.delete(number);
    }
  }
}
