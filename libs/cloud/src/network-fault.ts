import type { HostAndPort } from './cloud-connection.js';
import type { CloudFault } from './cloud-fault.js';
import type { CloudDialError } from './dial-error.js';
import { commandToSetHost, type FaultCase, hostSetting, reasonText, systemCodeOf } from './fault-case.js';
import { placeText } from './host-and-port.js';
import { answersAt } from './look-at-server.js';

/** A proxy that cannot be used, or does not open the tunnel. */
export function proxyFault({ cause, proxyStatus, isTimeout }: CloudDialError, { place }: FaultCase): CloudFault {
  const proxy = `The HTTP proxy ${placeText(place)} (proxy.address)`;
  if (proxyStatus === 407)
    return {
      code: 'proxy-credentials',
      what: `${proxy} does not accept the user name and password (status 407).`,
      advice: 'Set both: tedge config set proxy.username USER, tedge config set proxy.password PASSWORD',
    };
  if (proxyStatus !== undefined)
    return {
      code: 'proxy-refused',
      what: `${proxy} refused the tunnel to the cloud (status ${proxyStatus}).`,
      advice:
        'Have its administrator allow CONNECT to the host and port of the cloud, or reach the cloud without it: tedge config set proxy.no_proxy HOST',
    };
  const reason = isTimeout ? 'did not answer in time' : `cannot be used: ${reasonText(cause)}`;
  return {
    code: 'proxy-unreachable',
    what: `${proxy} ${reason}.`,
    advice: 'Check its address: tedge config set proxy.address HOST:PORT',
  };
}

/** No answer within the deadline. */
export async function timeoutFault({ stage }: CloudDialError, circumstances: FaultCase): Promise<CloudFault> {
  const { place, mayProbe } = circumstances;
  if (stage === 'handshake')
    return {
      code: 'timeout',
      what: `${placeText(place)} took the connection and did not answer the TLS handshake in time.`,
      advice: 'Check that the port is right, and that no firewall inspects the traffic. Then try again.',
    };
  const fault = blocked(place);
  if (place.port === 443 || !mayProbe) return fault;
  const isUp = await answersAt({ host: place.host, port: 443 });
  const found = isUp
    ? 'Port 443 of that host answers, so only this port is blocked.'
    : 'Port 443 does not answer either.';
  return { ...fault, what: `${fault.what} ${found}` };
}

function blocked(place: HostAndPort): CloudFault {
  return {
    code: 'port-blocked',
    what: `${placeText(place)} does not answer.`,
    advice: `A firewall may block port ${place.port}: allow connections to ${placeText(place)}.`,
  };
}

/** No TCP connection. */
export function networkFault(cause: unknown, failed: FaultCase): CloudFault {
  const { place } = failed;
  switch (systemCodeOf(cause)) {
    case 'ENOTFOUND':
      return {
        code: 'name-unknown',
        what: `The host name ${place.host} (${hostSetting(failed)}) is unknown.`,
        advice: `Check it for typing mistakes: ${commandToSetHost(failed)}`,
      };
    case 'EAI_AGAIN':
      return {
        code: 'name-unknown',
        what: `No name service answers, so ${place.host} cannot be found.`,
        advice: 'Check the network, and the name servers in /etc/resolv.conf.',
      };
    case 'ECONNREFUSED':
      return {
        code: 'refused',
        what: `Nothing listens at ${placeText(place)}.`,
        advice: `Check host and port: ${commandToSetHost(failed)}`,
      };
    case 'ETIMEDOUT':
      return blocked(place);
    default:
      return {
        code: 'unreachable',
        what: `${placeText(place)} cannot be reached: ${reasonText(cause)}.`,
        advice: 'Check the network of this machine.',
      };
  }
}
