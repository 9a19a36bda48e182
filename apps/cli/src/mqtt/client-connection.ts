import { randomBytes } from 'node:crypto';
import type { Settings } from '@sallyport/config';
import { type BrokerPlace, clientPlace } from '@sallyport/runtime/mqtt-client';
import type { CliContext } from '../cli-context.js';
import { writeWarnings } from '../output.js';

const [plainPort, tlsPort] = [1883, 8883];

/** How a client reaches the broker, and its name there. */
export type ClientConnection = BrokerPlace & { readonly clientId: string };

/**
 * How a command reaches the broker: with the client settings of this device, under a client id that nobody else has.
 *
 * @throws Problem `config-invalid`: only one of certificate and key is set.
 */
export function clientConnection(context: CliContext, settings: Settings, command: string): ClientConnection {
  const place = clientPlace(settings);
  context.log.debug(`broker: ${place.url}`);
  writeWarnings(context, portWarnings(settings, place));
  return { ...place, clientId: clientId(command) };
}

/** A client id that nobody else has. MQTT 3.1.1 §3.1.3.1: every server takes 23 bytes. */
export function clientId(command: string): string {
  return `sallyport-${command}-${randomBytes(3).toString('hex')}`;
}

/** As thin-edge.io warns, but not where `secure` has put TLS on that port. */
function portWarnings(settings: Settings, { tls }: BrokerPlace): string[] {
  const port = settings.get('mqtt.client.port');
  const isServedHere = settings.get('mqtt.bind.cert_file') !== undefined && port === settings.get('mqtt.bind.port');
  if (tls !== undefined && port === plainPort && !isServedHere)
    return [`Connecting with TLS to port ${plainPort}, which is for MQTT without TLS. Check mqtt.client.port.`];
  if (tls === undefined && port === tlsPort)
    return [`Connecting without TLS to port ${tlsPort}, which is for MQTT with TLS. Set mqtt.client.auth.ca_file.`];
  return [];
}
