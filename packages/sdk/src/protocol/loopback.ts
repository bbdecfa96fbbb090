// An address as URLs and sockets write it: IPv4 (RFC 1122, section 3.2.1.3), IPv6 (RFC 4291, section 2.5.3), IPv4 in IPv6.
const BYTE = "(?:\\d|[1-9]\\d|1\\d\\d|2[0-4]\\d|25[0-5])";
const IPV4 = `127(?:\\.${BYTE}){3}`;
const LOOPBACK = new RegExp(`^(?:localhost|${IPV4}|::1|::ffff:${IPV4}|::ffff:7f[0-9a-f]{2}:[0-9a-f]{1,4})$`, "i");

/**
 * Whether a host of a URL, a host to listen on or the address of a socket is this machine, whoever answers DNS. Names below
 * `localhost` are none: the system may ask DNS for them, though RFC 6761 (section 6.3) says that it should not.
 */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host.replace(/^\[(.*)\]$/, "$1"));
}
