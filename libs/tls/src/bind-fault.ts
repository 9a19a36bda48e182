import { errorCode } from '@sallyport/files';

/** Why a port could not be opened and what to do, as sentences after a colon. */
export function bindFault(cause: Error, port: number): string {
  switch (errorCode(cause)) {
    case 'EACCES':
      return `only root may use ports as low as this. Choose a higher port, or permit it on this machine: sudo sysctl net.ipv4.ip_unprivileged_port_start=${port}`;
    case 'EADDRNOTAVAIL':
      return 'this machine does not have that address. Choose one that "ip address" shows.';
    case 'EADDRINUSE':
      return `${cause.message}. Stop the program that holds it, or choose another address.`;
    default:
      return `${cause.message}. Choose another address.`;
  }
}
