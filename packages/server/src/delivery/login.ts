/** Who a connection is logged in as. */
export interface Login {
  kind: "token" | "key";
  /** Lower case. */
  name: string;
  username: string;
  mailbox: number;
  /** Of a key account. */
  device: string | undefined;
}
