import type { ContactRecord, PeerStanding } from "./tables.ts";

/** How far the owner trusts somebody. Raised by a person alone. */
export const TIERS = ["unknown", "known", "verified", "trusted"] as const;
export type Tier = (typeof TIERS)[number];

/** @param record Of its present identity, if it has one. @param known The owner has written to it, or accepted it. */
export function tierOf(record: ContactRecord | undefined, known: boolean): Tier {
  if (record?.trusted === true) return "trusted";
  if (record?.verified === true) return "verified";
  return known ? "known" : "unknown";
}

/** Of an identity that has sent something, by what is known of its name now. @param identityKey Missing: of before it was remembered */
export function tierOfSender(
  identityKey: string | undefined,
  contact: ContactRecord | undefined,
  standing: PeerStanding | undefined,
): Tier {
  const isPresent = contact !== undefined && (identityKey === undefined || contact.identity_key === identityKey);
  return isPresent ? tierOf(contact, standing === "allow") : "unknown";
}
