import { isLoopback } from "@aimessage/sdk/protocol";
import type { Config } from "./config.ts";

type Exposure = Pick<Config, "tokenAccounts" | "host" | "publicUrls" | "trustProxy">;

/** Whether token accounts are taken: what they send is encrypted by nobody but themselves. [P-3.7] */
export function takesTokenAccounts(config: Exposure): boolean {
  return config.tokenAccounts === "on" || (config.tokenAccounts === "loopback" && isForThisMachine(config));
}

/** Whether nobody else is meant to reach this relay. */
function isForThisMachine({ host, publicUrls, trustProxy }: Exposure): boolean {
  return isLoopback(host) && publicUrls.every((url) => isLoopback(new URL(url).hostname)) && !trustProxy;
}

/** The line about them that is printed at start. */
export function aboutTokenAccounts(config: Exposure): string {
  if (config.tokenAccounts !== "loopback") return `Token accounts: ${config.tokenAccounts}`;
  return takesTokenAccounts(config)
    ? "Token accounts: on, for this machine alone"
    : "Token accounts: off, since others can reach this relay; --token-accounts on takes them all the same";
}
