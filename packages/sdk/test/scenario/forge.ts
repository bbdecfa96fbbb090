import {
  type CiphersuiteImpl,
  createCommit,
  createGroup,
  decodeMlsMessage,
  defaultCapabilities,
  encodeMlsMessage,
  generateKeyPackageWithKey,
  getCiphersuiteFromName,
  type KeyPackage,
  defaultAuthenticationService,
} from "ts-mls";
import { defaultClientConfig } from "ts-mls/clientConfig.js";
import { readAccount } from "../../src/records/own-account.ts";
import { GroupCrypto } from "../../src/crypto/mls/group.ts";
import { createDevice } from "../../src/crypto/identity.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { CIPHER_SUITE, fromBase64, toBase64 } from "../../src/protocol/index.ts";
import type { World } from "./world.ts";

interface Forgery {
  from: string;
  to: string;
  leaves: 2 | 3;
  /** The world in which `from` is registered, if that is another one. */
  at?: World;
  /** Which of the key packages that `to` has published, by default the last: the relay hands out the oldest first. */
  by?: number | "last resort";
}

/**
 * A Welcome that no honest client makes, by an agent that is really registered, here or at the relay of another world: into
 * a group of two or three members, to one of the key packages that `to` has really published. The third one is another
 * device of its maker, which its identity has signed.
 */
export async function foreignWelcome(
  world: World,
  { from, to, leaves, at = world, by = -1 }: Forgery,
): Promise<{ welcome: string; groupId: string; device: string }> {
  if (!at.folders.has(from)) await at.open(from);
  const account = await at.memory(from).read((tx) => readAccount(tx));
  if (account === undefined) throw new Error(`${from} is not registered`);
  const suite = (await nodeCryptoProvider.getCiphersuiteImpl(getCiphersuiteFromName(CIPHER_SUITE))) as CiphersuiteImpl;
  const { certificate, privateKey, publicKey, id } = account.device;
  const lifetime = {
    notBefore: BigInt(Math.floor(Date.now() / 1000) - 86_400),
    notAfter: BigInt(Math.floor(Date.now() / 1000) + 7_776_000),
  };
  const own = () =>
    generateKeyPackageWithKey(
      { credentialType: "basic", identity: certificate },
      { ...defaultCapabilities(), versions: ["mls10"], ciphersuites: [CIPHER_SUITE] },
      lifetime,
      [],
      { signKey: privateKey, publicKey },
      suite,
    );
  const { publicPackage, privatePackage } = await own();
  const groupId = globalThis.crypto.getRandomValues(new Uint8Array(32));
  const alone = await createGroup(groupId, publicPackage, privatePackage, [], suite, {
    ...defaultClientConfig,
    authService: defaultAuthenticationService,
  });
  const packages = [publishedBy(world, to, by)];
  if (leaves === 3) {
    const third = await createDevice(await GroupCrypto.load(nodeCryptoProvider), account.identity, 2, Date.now());
    const extra = await generateKeyPackageWithKey(
      { credentialType: "basic", identity: third.certificate },
      { ...defaultCapabilities(), versions: ["mls10"], ciphersuites: [CIPHER_SUITE] },
      lifetime,
      [],
      { signKey: third.privateKey, publicKey: third.publicKey },
      suite,
    );
    packages.push(extra.publicPackage);
  }
  const { welcome } = await createCommit(
    { state: alone, cipherSuite: suite },
    {
      ratchetTreeExtension: true,
      extraProposals: packages.map((keyPackage) => ({ proposalType: "add" as const, add: { keyPackage } })),
    },
  );
  if (welcome === undefined) throw new Error("no Welcome was made");
  // A Welcome for one new member, as the relay would deliver it.
  const alone1 = leaves === 2 ? welcome : { ...welcome, secrets: welcome.secrets.slice(0, 1) };
  return {
    welcome: toBase64(encodeMlsMessage({ version: "mls10", wireformat: "mls_welcome", welcome: alone1 })),
    groupId: Buffer.from(groupId).toString("hex"),
    device: id,
  };
}

/** A key package that an agent has published, as the proxy saw it. */
function publishedBy(world: World, username: string, by: number | "last resort"): KeyPackage {
  const published = world.proxy.recorded
    .filter(({ agent, toRelay }) => agent === username && toRelay)
    .flatMap(({ frame }) => frame.data?.[by === "last resort" ? "last_resort" : "key_packages"] as string[] | string)
    .filter((encoded) => encoded !== undefined);
  const message = decodeMlsMessage(fromBase64(published.at(by === "last resort" ? -1 : by) ?? ""), 0)?.[0];
  if (message?.wireformat !== "mls_key_package") throw new Error(`${username} has published no key package`);
  return message.keyPackage;
}
