/** Where files of a message lie now that could not be fetched before. */
import type { Content } from "../crypto/content.ts";
import { fromUtf8 } from "../protocol/index.ts";
import { fileKey } from "../records/files.ts";
import { find, pad, put, remove } from "../records/records.ts";
import type { Conversation, Turn } from "../turn/turn.ts";

import * as z from "zod/mini";

/** The body of an offer: the places in their message that its files take. */
const Places = z.object({ places: z.array(z.int().check(z.nonnegative())) });
/** The cost of an offer that is none: ms of an ordinary core. See `Waste`. */
const MALFORMED = 2;

/** What is said of files takes the place of what was said of them before. Of a message that is not here it says nothing. */
export async function takeOffers(
  turn: Turn,
  { record }: Conversation,
  { header, body, files = [] }: Content,
): Promise<void> {
  const { tx } = turn;
  const places = placesIn(body);
  if (places?.length !== files.length) return turn.wasted(record.contact, MALFORMED);
  const seq = await tx.get(`seen/${record.contact}/${header.id}`);
  const row = seq === undefined ? undefined : await find(tx, "in/", pad(Number(seq)));
  if (row?.files === undefined) return undefined;
  const all = [...row.files];
  for (const [index, place] of places.entries()) {
    const [file, before] = [files[index], all[place]];
    if (file === undefined || before === undefined) continue;
    all[place] = file;
    const key = fileKey({ seq: row.seq, index: place });
    // What has come of another blob is of no use.
    const begun = await find(tx, "in-file/", key);
    if (begun !== undefined && begun.path === undefined && begun.claim === undefined) await remove(tx, "in-file/", key);
  }
  await put(tx, "in/", pad(row.seq), { ...row, files: all });
}

function placesIn(body: Uint8Array): number[] | undefined {
  try {
    const parsed = Places.safeParse(JSON.parse(fromUtf8(body) ?? ""));
    return parsed.success ? parsed.data.places : undefined;
  } catch {
    return undefined;
  }
}
