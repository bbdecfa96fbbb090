import { toBase64 } from "@aimessage/sdk/protocol";
import type { KeyAccount } from "../store/store.ts";

/** What `agent` and `keys` say of a key account. */
export function deviceInfo({ identityKey, device }: KeyAccount) {
  return {
    identity_key: toBase64(identityKey),
    device: { id: device.id, key: toBase64(device.key), certificate: toBase64(device.certificate) },
  };
}
