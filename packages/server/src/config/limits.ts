import { MOST_FRAME_BYTES } from "@aimessage/sdk/protocol";

/** What a limit counts: decides how it is written on the command line (`1MiB`, `14d`, `200`). */
export type LimitUnit = "bytes" | "milliseconds" | "count" | "per second" | "per hour";

interface LimitOption {
  unit: LimitUnit;
  value: number;
  why: string;
  /** What `--no-limits` sets: 0 is no limit for a rate, a huge number none for a capacity. Absent: it always holds. */
  lifted?: number;
  /** More is refused. */
  most?: number;
}

const NONE = 0;
const HUGE = Number.MAX_SAFE_INTEGER;
const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const SECOND = 1000;
const DAY = 24 * 3600 * SECOND;
/** As many members as frames name, and teams as a `group_list` that clients read. [P-2.8] */
const FRAME_MEMBERS = 1_000;
const FRAME_GROUPS = 1_500;

/** Every limit of a relay. The flag is the name in kebab-case; so is the environment variable, in capitals. A rate of 0 is none. */
export const limitOptions = {
  frameBytes: {
    unit: "bytes",
    value: MIB,
    most: MOST_FRAME_BYTES,
    why: "largest frame; bounds what one connection can make the relay hold",
  },
  frameBytesUnauthenticated: { unit: "bytes", value: 64 * KIB, why: "the same before login, where anybody may send" },
  mailboxMessages: { unit: "count", value: 50_000, lifted: HUGE, why: "weeks of mail for an agent that sleeps" },
  mailboxBytes: { unit: "bytes", value: 256 * MIB, lifted: HUGE, why: "disk that one mailbox may take" },
  strangersAheadBytes: {
    unit: "bytes",
    value: 2 * MIB,
    lifted: HUGE,
    why: "what strangers may have waiting in a mailbox that is being read, by address and account: what contacts write stands behind it",
  },
  mailboxAge: {
    unit: "milliseconds",
    value: 14 * DAY,
    why: "who was away for longer reads the sender's notice instead",
  },
  handshakeMessages: {
    unit: "count",
    value: 5_000,
    lifted: HUGE,
    why: "room for Welcomes in a mailbox, and the same for commits",
  },
  handshakeBytes: { unit: "bytes", value: 32 * MIB, lifted: HUGE, why: "the same in bytes" },
  noticeMessages: { unit: "count", value: 10_000, lifted: HUGE, why: "room of their own for the relay's notices" },
  unknownUserMessages: {
    unit: "count",
    value: 100,
    lifted: HUGE,
    why: "what one sender may leave for names nobody has",
  },
  peers: {
    unit: "count",
    value: 10_000,
    why: "names that one account has let in, and the same of those that it has blocked",
  },
  reserveBytes: {
    unit: "bytes",
    value: 64 * MIB,
    lifted: NONE,
    why: "disk kept from mail, for logins and deletions, and as much in a file that is given back when others take the rest",
  },
  keyPackages: { unit: "count", value: 100, why: "unclaimed key packages of one device" },
  claimAge: {
    unit: "milliseconds",
    value: DAY,
    why: "a claimant that has not used a key package gets the same again for so long; then it is gone",
  },
  groups: {
    unit: "count",
    value: 10_000,
    why: "groups that one device has opened; of more, those not used for longest are forgotten",
  },
  groupAge: {
    unit: "milliseconds",
    value: 90 * DAY,
    why: "a group that is not used for so long is forgotten, and opened anew when it is",
  },
  groupMembers: { unit: "count", value: 1_000, most: FRAME_MEMBERS, why: "members of one team" },
  accountGroups: {
    unit: "count",
    value: 500,
    lifted: FRAME_GROUPS,
    most: FRAME_GROUPS,
    why: "teams in which one account has a device",
  },
  groupCommits: {
    unit: "count",
    value: 30,
    lifted: NONE,
    why: "commits of one account in teams, a minute: all members have to follow each",
  },
  fanOutBytes: {
    unit: "bytes",
    value: 64 * MIB,
    lifted: NONE,
    why: "what one account sends to teams, a second, times their members",
  },
  fanOutBytesBurst: { unit: "bytes", value: GIB, why: "how many of them at once" },
  devices: { unit: "count", value: 16, why: "replaced devices of an account that are still told so" },
  unusedAccountAge: {
    unit: "milliseconds",
    value: 90 * DAY,
    why: "an account with which nothing was ever done is removed, and its name free; nobody could open a group with it any more",
  },
  addressAccounts: {
    unit: "count",
    value: 5_000,
    lifted: HUGE,
    why: "names registered from one address, those that stay reserved too",
  },
  addressBytes: {
    unit: "bytes",
    value: 4 * GIB,
    lifted: HUGE,
    why: "what accounts of one address have lying here: mail that others have not read, key packages, groups, names",
  },
  accountBytes: {
    unit: "bytes",
    value: GIB,
    lifted: HUGE,
    why: "mail of one account that others have not read, as far as it was sent since the relay was started",
  },
  rememberedRequests: {
    unit: "count",
    value: 20_000_000,
    lifted: HUGE,
    why: "sends and commits that are known again if they are repeated; each takes 150 bytes",
  },
  blobBytes: { unit: "bytes", value: 2 * GIB, lifted: HUGE, why: "largest encrypted file" },
  accountBlobs: {
    unit: "bytes",
    value: 4 * GIB,
    lifted: HUGE,
    why: "files of one account, from when room is asked for; at most a quarter of what others leave of all",
  },
  blobs: {
    unit: "bytes",
    value: 64 * GIB,
    lifted: HUGE,
    why: "files in all, of which accounts of one address have at most half of what others leave; 0: none are taken",
  },
  blobAge: { unit: "milliseconds", value: 15 * DAY, why: "a file outlives the message that tells of it" },
  transfers: {
    unit: "count",
    value: 256,
    lifted: HUGE,
    why: "files that are sent or fetched at a time; each may hold 2 MiB",
  },
  accountTransfers: {
    unit: "count",
    value: 64,
    lifted: HUGE,
    why: "of those, of one account that sends, of one file, or of one address; one more is refused, and comes again",
  },
  inFlightMessages: { unit: "count", value: 256, why: "pushed and not acknowledged, on one connection" },
  inFlightBytes: { unit: "bytes", value: 8 * MIB, why: "the same in bytes" },
  framesPerSecond: {
    unit: "per second",
    value: 200,
    lifted: NONE,
    why: "frames of an account, over all its connections",
  },
  framesBurst: { unit: "count", value: 400, why: "how many of them at once" },
  lightFramesPerSecond: {
    unit: "per second",
    value: 2_000,
    lifted: NONE,
    why: "`received` and `heartbeat` of an account",
  },
  lightFramesBurst: { unit: "count", value: 4_000, why: "how many of them at once" },
  loginFramesPerSecond: { unit: "per second", value: 10, lifted: NONE, why: "frames of a connection before its login" },
  loginFramesBurst: { unit: "count", value: 20, why: "how many of them at once" },
  connectionsPerSecond: { unit: "per second", value: 100, lifted: NONE, why: "new connections of all addresses" },
  connectionsBurst: { unit: "count", value: 200, why: "how many of them at once" },
  addressConnectionsPerSecond: { unit: "per second", value: 50, lifted: NONE, why: "new connections of one address" },
  addressConnectionsBurst: { unit: "count", value: 150, why: "how many of them at once" },
  maxConnections: { unit: "count", value: 20_000, lifted: HUGE, why: "open connections; each takes some 20 KB" },
  strangers: {
    unit: "count",
    value: 2_000,
    lifted: HUGE,
    why: "connections that have not logged in; each may hold 200 KB",
  },
  addressStrangers: { unit: "count", value: 200, lifted: HUGE, why: "those of one address" },
  accountConnections: {
    unit: "count",
    value: 16,
    lifted: HUGE,
    why: "of one account; a further login ends the oldest",
  },
  registrationsPerSecond: {
    unit: "per second",
    value: 1,
    lifted: NONE,
    why: "of one address; a token account costs 50 ms of CPU",
  },
  registrationsBurst: { unit: "count", value: 60, why: "how many of them at once" },
  claimsPerHour: { unit: "per hour", value: 10, lifted: NONE, why: "key packages that one device takes of another" },
  addressClaimsPerSecond: { unit: "per second", value: 5, lifted: NONE, why: "key packages claimed from one address" },
  addressClaimsBurst: { unit: "count", value: 1_000, why: "how many of them at once" },
  publishesPerHour: { unit: "per hour", value: 360, lifted: NONE, why: "stocks of key packages of one device" },
  addressRefusedBytesPerSecond: {
    unit: "bytes",
    value: MIB,
    lifted: NONE,
    why: "refused requests of one address: each was read for nothing",
  },
  addressRefusedBytesBurst: { unit: "bytes", value: 2 * MIB, why: "how many of them at once" },
  peersPerSecond: { unit: "per second", value: 20, lifted: NONE, why: "names in the `peers` frames of an account" },
  peersBurst: { unit: "count", value: 2_000, why: "how many of them at once" },
  loginTimeout: { unit: "milliseconds", value: 120 * SECOND, why: "a connection that never logs in is closed" },
  pingInterval: { unit: "milliseconds", value: 54 * SECOND, why: "keep-alive, below the usual 60 s of proxies" },
  readDeadline: { unit: "milliseconds", value: 60 * SECOND, why: "a connection that is silent for so long is dead" },
  bufferedBytes: {
    unit: "bytes",
    value: 32 * MIB,
    why: "unsent answers of a client that does not read; beyond it, 4003",
  },
  bufferedBytesOfAll: {
    unit: "bytes",
    value: 512 * MIB,
    why: "those of all clients; beyond it, the largest are ended",
  },
  unfinishedBytesOfAll: {
    unit: "bytes",
    value: 8 * MIB,
    why: "what has come of messages that are not whole, a quarter for each address and account; beyond it, the largest are ended",
  },
} as const satisfies Record<string, LimitOption>;

export type LimitName = keyof typeof limitOptions;
export type Limits = Record<LimitName, number>;

/** The defaults; without limits, those of rates and capacities are lifted. */
export function defaultLimits(lifted = false): Limits {
  const limits: Partial<Limits> = {};
  for (const [name, option] of limitEntries()) limits[name] = lifted ? (option.lifted ?? option.value) : option.value;
  return limits as Limits;
}

export function limitEntries(): [LimitName, LimitOption][] {
  return Object.entries(limitOptions) as [LimitName, LimitOption][];
}
