/**
 * A group's state in parts, so that keeping it costs what has changed, and not the size of the group. States are values: a part that is the same object as
 * before has not changed.
 *
 * Of the secret tree (RFC 9420, section 9) the leaves are kept, and nothing else. Out of a parent's secret all below it could be derived, also what was
 * consumed; the library forgets those when an epoch begins, but leaves two ratchets at each parent, which nobody ever uses.
 */
import type { ClientState, GroupState } from "ts-mls";
import { decodeGroupStateWithoutTree, groupStateEncoderWithoutTree } from "ts-mls/clientState.js";
import { decodeUint32, decodeUint8, uint32Encoder, uint8Encoder } from "ts-mls/codec/number.js";
import { type Decoder, mapDecoders } from "ts-mls/codec/tlsDecoder.js";
import { contramapBufferEncoders, encode } from "ts-mls/codec/tlsEncoder.js";
import {
  decodeVarLenData,
  decodeVarLenType,
  varLenDataEncoder,
  varLenTypeEncoder,
} from "ts-mls/codec/variableLength.js";
import { decodeGroupContext, groupContextEncoder } from "ts-mls/groupContext.js";
import { decodeRatchetTree, encodeRatchetTree } from "ts-mls/ratchetTree.js";
import { decodeSecretTree, secretTreeEncoder } from "ts-mls/secretTree.js";
import { GroupError, type PartName, type PartReader, type PartsChanged } from "./seam.ts";

type SecretTree = ClientState["secretTree"];
type Past = ClientState["historicalReceiverData"] extends Map<bigint, infer Data> ? Data : never;

/** First byte of the small secrets. A whole state begins with the two of MLS's version, which are 0 and 1. */
const FORM = 2;
/** Leaves of the secret tree in one part, which a message rewrites: 1.2 KB. */
const PAGE = 8;

/** What is big of an epoch. */
interface Trees {
  ratchetTree: ClientState["ratchetTree"];
  secretTree: SecretTree;
}

/** What is small of an epoch that has passed, and how many leaves its trees have. */
type SmallPast = Omit<Past, keyof Trees> & { leaves: number };

/** The small secrets: a state without its trees, of which is known how many leaves they have. */
interface Small {
  present: GroupState;
  leaves: number;
  past: SmallPast[];
}

/** What differs from `before`: what to put, and what to remove. All of it where there was nothing before. */
export function partsOf(state: ClientState, before: ClientState | undefined): PartsChanged {
  const changed: PartsChanged = { put: [], remove: [] };
  const [now, old] = [treesOf(state), before === undefined ? new Map<number, Trees>() : treesOf(before)];
  if (before === undefined || !isSameSmall(state, before)) changed.put.push([["mls"], encodeSmall(state)]);
  for (const [epoch, trees] of now) putTrees(changed, epoch, trees, old.get(epoch));
  for (const [epoch, { secretTree }] of old) {
    const kept = now.get(epoch);
    if (kept === undefined) changed.remove.push(["tree", epoch]);
    for (let page = pagesOf(kept?.secretTree ?? []); page < pagesOf(secretTree); page++)
      changed.remove.push(["ratchet", epoch, page]);
  }
  return changed;
}

function putTrees({ put }: PartsChanged, epoch: number, { ratchetTree, secretTree }: Trees, old?: Trees): void {
  if (ratchetTree !== old?.ratchetTree) put.push([["tree", epoch], encodeRatchetTree(ratchetTree)]);
  if (secretTree === old?.secretTree) return;
  for (let page = 0; page < pagesOf(secretTree); page++)
    if (!isSamePage(secretTree, old?.secretTree, page))
      put.push([["ratchet", epoch, page], encodePage(secretTree, page)]);
}

/**
 * The state that the parts are, undefined if there are none.
 * @throws GroupError if one of them is missing, or is none
 */
export async function assembleParts(read: PartReader): Promise<GroupState | undefined> {
  const small = await read(["mls"]);
  if (small === undefined) return undefined;
  const { present, leaves, past } = decodeExactly(decodeSmall, small, "mls");
  const historicalReceiverData = new Map<bigint, Past>();
  for (const { leaves: width, ...data } of past)
    historicalReceiverData.set(data.groupContext.epoch, {
      ...data,
      ...(await readTrees(read, data.groupContext, width)),
    });
  return { ...present, ...(await readTrees(read, present.groupContext, leaves)), historicalReceiverData };
}

async function readTrees(read: PartReader, { epoch }: Past["groupContext"], leaves: number): Promise<Trees> {
  const part = async <T>(decoder: Decoder<T>, name: PartName): Promise<T> =>
    decodeExactly(decoder, await read(name), name.join("/"));
  const ratchetTree = await part(decodeRatchetTree, ["tree", Number(epoch)]);
  const secretTree: SecretTree = [];
  for (let page = 0; page * PAGE < leaves; page++) {
    const nodes = await part(decodeSecretTree, ["ratchet", Number(epoch), page]);
    if (nodes.length !== Math.min(PAGE, leaves - page * PAGE)) throw new GroupError("malformed group state: leaves");
    for (const node of nodes) secretTree.push(node, UNUSED);
  }
  return { ratchetTree, secretTree: secretTree.slice(0, -1) };
}

function treesOf(state: ClientState): Map<number, Trees> {
  const trees = new Map<number, Trees>([[Number(state.groupContext.epoch), state]]);
  for (const [epoch, past] of state.historicalReceiverData) trees.set(Number(epoch), past);
  return trees;
}

const leavesIn = (tree: SecretTree): number => (tree.length + 1) >> 1;
const pagesOf = (tree: SecretTree): number => Math.ceil(leavesIn(tree) / PAGE);

/** Nodes of a page. Every other one is a leaf. */
function nodesOf(tree: SecretTree, page: number): SecretTree {
  return tree.slice(2 * PAGE * page, 2 * PAGE * (page + 1));
}

function isSamePage(tree: SecretTree, before: SecretTree | undefined, page: number): boolean {
  if (before?.length !== tree.length) return false;
  const nodes = nodesOf(before, page);
  return nodesOf(tree, page).every((node, index) => index % 2 === 1 || node === nodes[index]);
}

const encodeSecretTree = encode(secretTreeEncoder);

function encodePage(tree: SecretTree, page: number): Uint8Array {
  return encodeSecretTree(nodesOf(tree, page).filter((_, index) => index % 2 === 0));
}

const nothing = { secret: new Uint8Array(), generation: 0, unusedGenerations: {} };
/** In the place of a parent's ratchets. */
const UNUSED: SecretTree[number] = { handshake: nothing, application: nothing };

/** What is small, each of it by itself. */
function smallOf(state: ClientState): unknown[] {
  const small: unknown[] = [
    state.groupContext,
    state.keySchedule,
    state.privatePath,
    state.signaturePrivateKey,
    state.unappliedProposals,
    state.confirmationTag,
    state.groupActiveState,
    leavesIn(state.secretTree),
  ];
  for (const { resumptionPsk, senderDataSecret, groupContext, secretTree } of state.historicalReceiverData.values())
    small.push(resumptionPsk, senderDataSecret, groupContext, leavesIn(secretTree));
  return small;
}

function isSameSmall(state: ClientState, before: ClientState): boolean {
  const [now, old] = [smallOf(state), smallOf(before)];
  return now.length === old.length && now.every((value, index) => value === old[index]);
}

const pastEncoder = contramapBufferEncoders(
  [varLenDataEncoder, varLenDataEncoder, groupContextEncoder, uint32Encoder],
  (past: Past): [Uint8Array, Uint8Array, Past["groupContext"], number] => [
    past.resumptionPsk,
    past.senderDataSecret,
    past.groupContext,
    leavesIn(past.secretTree),
  ],
);

const decodePast: Decoder<SmallPast> = mapDecoders(
  [decodeVarLenData, decodeVarLenData, decodeGroupContext, decodeUint32],
  (resumptionPsk, senderDataSecret, groupContext, leaves) => ({
    resumptionPsk,
    senderDataSecret,
    groupContext,
    leaves,
  }),
);

const encodeSmall = encode(
  contramapBufferEncoders(
    [uint8Encoder, uint32Encoder, groupStateEncoderWithoutTree, varLenTypeEncoder(pastEncoder)],
    (state: ClientState): [number, number, GroupState, Past[]] => [
      FORM,
      leavesIn(state.secretTree),
      { ...state, secretTree: [], historicalReceiverData: new Map() },
      [...state.historicalReceiverData.values()],
    ],
  ),
);

const decodeForm: Decoder<number> = (bytes, offset) =>
  bytes[offset] === FORM ? decodeUint8(bytes, offset) : undefined;

const decodeSmall: Decoder<Small> = mapDecoders(
  [decodeForm, decodeUint32, decodeGroupStateWithoutTree([]), decodeVarLenType(decodePast)],
  (_form, leaves, present, past) => ({ leaves, present, past }),
);

/** @throws GroupError if the bytes are not there, or not one whole value. */
export function decodeExactly<T>(decoder: Decoder<T>, bytes: Uint8Array | undefined, what: string): T {
  let decoded: [T, number] | undefined;
  try {
    decoded = bytes === undefined ? undefined : decoder(bytes, 0);
  } catch (cause) {
    throw new GroupError(`malformed group state: ${what}`, { cause });
  }
  if (decoded === undefined || decoded[1] !== bytes?.length) throw new GroupError(`malformed group state: ${what}`);
  return decoded[0];
}
