import type { ClientFrameData, RelayFrameData } from "@aimessage/sdk/protocol";
import { Violation } from "./violation.ts";

export interface NamedDevice {
  username: string;
  device: string;
}
/** A team as it is by the newest answer. */
export interface FuzzTeam {
  id: string;
  epoch: number;
  members: NamedDevice[];
}
type Commit = ClientFrameData<"commit">;

/** Whose message stands at a place, and which devices got it as which `seq`. */
interface Seen {
  from: string;
  seqs: Map<string, number>;
}

/**
 * Teams, whoever asked for them: what all connections have sent and were told. Answers and pushes of different connections come in any
 * order, so most is judged at the end, when it is known which commit has ended which epoch.
 */
export class KnownTeams {
  readonly #all = new Map<string, FuzzTeam>();
  /** By device and id: all that was sent so. */
  readonly #commits = new Map<string, Commit[]>();
  /** By team and epoch: the commit that has ended it. */
  readonly #won = new Map<string, string>();
  /** By team and epoch: devices that got something of it. */
  readonly #got = new Map<string, Set<string>>();
  /** By team, epoch and place. */
  readonly #places = new Map<string, Map<number, Seen>>();
  /** What devices have said that they have, though it had not come yet: the first and the last `seq`. */
  readonly #careless = new Map<string, [first: number, last: number][]>();

  of(device: string): FuzzTeam[] {
    return [...this.#all.values()].filter(({ members }) => members.some((member) => member.device === device));
  }

  /** Somebody asks for a commit: its pushes may come before its answer. */
  asked(device: string, commit: Commit): void {
    const key = `${device}/${commit.commit_id}`;
    this.#commits.set(key, [...(this.#commits.get(key) ?? []), commit]);
  }

  /** @param commit What the answer says that it is of. */
  committed(device: string, commit: Commit): void {
    this.#ended(commit.group_id, commit.epoch, `${device}/${commit.commit_id}`);
  }

  careless(device: string, first: number, last: number): void {
    this.#careless.set(device, [...(this.#careless.get(device) ?? []), [first, last]]);
  }

  /** Something of a team was pushed. @throws Violation */
  pushed(device: string, data: RelayFrameData<"message">): void {
    const { kind, group_id: id, epoch, pos } = data;
    if (id === undefined || epoch === undefined) return;
    const key = `${id}/${epoch}`;
    if (kind === "commit" && data.body !== undefined) {
      const by = `${data.device}/${data.message_id}`;
      const sent = this.#commits.get(by) ?? [];
      const isAsSent = ({ add = [], remove = [], body }: Commit): boolean =>
        same([add, remove, body], [data.add ?? [], data.remove ?? [], data.body]);
      if (!sent.some(isAsSent)) throw new Violation(`the commit ${by} came otherwise than it was sent`);
      this.#ended(id, epoch, by);
    } else if (kind === "welcome" && data.tree !== undefined) {
      const by = `${data.device}/${data.message_id}`;
      const sent = this.#commits.get(by) ?? [];
      if (!sent.some(({ tree }) => same(tree, data.tree)))
        throw new Violation(`the tree of ${by} came otherwise than it was sent`);
      this.#ended(id, epoch - 1, by);
      return;
    } else if (pos !== undefined) this.#stands(key, pos, data, device);
    else if (kind !== "direct") return;
    let got = this.#got.get(key);
    if (got === undefined) this.#got.set(key, (got = new Set()));
    got.add(device);
  }

  #stands(key: string, pos: number, { from, seq }: RelayFrameData<"message">, device: string): void {
    let places = this.#places.get(key);
    if (places === undefined) this.#places.set(key, (places = new Map()));
    const seen = places.get(pos);
    if (seen === undefined) places.set(pos, { from, seqs: new Map([[device, seq]]) });
    else if (seen.from !== from)
      throw new Violation(`at ${pos} of ${key} stands something by ${seen.from}, and by ${from}`);
    else seen.seqs.set(device, seq);
  }

  #ended(id: string, epoch: number, by: string): void {
    const before = this.#won.get(`${id}/${epoch}`);
    if (before !== undefined && before !== by)
      throw new Violation(`${before} and ${by} have both ended ${epoch} of ${id}`);
    this.#won.set(`${id}/${epoch}`, by);
    const epochs = [...this.#membersOf(id)];
    const newest = epochs.at(-1);
    if (newest !== undefined) this.#all.set(id, { id, epoch: newest[0], members: newest[1] });
  }

  /** Members of each epoch, as far as it is known which commits were taken. */
  *#membersOf(id: string): Generator<[epoch: number, members: NamedDevice[]]> {
    let members: NamedDevice[] = [];
    for (let epoch = 1; ; epoch++) {
      const [commit, ...others] = this.#commits.get(this.#won.get(`${id}/${epoch}`) ?? "") ?? [];
      // Of several with one id it is not known which one was taken.
      if (commit === undefined || others.some((other) => !same(other, commit))) return;
      const { add = [], remove = [] } = commit;
      const isRemoved = ({ device }: NamedDevice): boolean => remove.some((one) => one.device === device);
      members = epoch === 1 ? (commit.members ?? []) : [...members.filter((one) => !isRemoved(one)), ...add];
      yield [epoch + 1, members];
    }
  }

  /** Nobody has got what a team said while it was no member, and nobody lacks what stands before what it has. @throws Violation */
  check(): void {
    for (const id of this.#all.keys())
      for (const [epoch, members] of this.#membersOf(id))
        for (const device of this.#got.get(`${id}/${epoch}`) ?? [])
          if (!members.some((member) => member.device === device))
            throw new Violation(`${device} got something of epoch ${epoch} of ${id}, in which it was not`);
    for (const [key, places] of this.#places)
      for (const device of new Set([...places.values()].flatMap(({ seqs }) => [...seqs.keys()])))
        this.#checkPlaces(key, places, device);
  }

  #checkPlaces(key: string, places: Map<number, Seen>, device: string): void {
    const got = [...places]
      .filter(([, { seqs }]) => seqs.has(device))
      .map(([pos, { seqs }]) => [pos, seqs.get(device) ?? 0] as const);
    const most = Math.max(...got.map(([pos]) => pos));
    for (const [pos, { from, seqs }] of places) {
      if (pos > most || seqs.has(device) || isOf(device, from)) continue;
      const before = Math.max(0, ...got.filter(([at]) => at < pos).map(([, seq]) => seq));
      const behind = Math.min(...got.filter(([at]) => at > pos).map(([, seq]) => seq));
      const isLost = this.#careless.get(device)?.some(([first, last]) => last > before && first < behind);
      if (isLost !== true) throw new Violation(`${device} got ${most} of ${key}, and not ${pos} by ${from}`);
    }
  }
}

/** The fuzzer names devices by their accounts. */
function isOf(device: string, username: string): boolean {
  return device.toLowerCase().replace(/-\d+$/, "") === username.toLowerCase();
}

function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
