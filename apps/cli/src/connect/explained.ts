import { type CloudConnection, commandToSetHost, explainCloudFault, placeText } from '@sallyport/cloud';
import { PacketError } from '@sallyport/mqtt-wire';
import { Failure } from '../failure.js';
import { CloudRefusal } from './direct-session.js';

/** Return codes of CONNACK (MQTT 3.1.1 §3.2.2.3) in words. */
const refusals: Readonly<Record<number, string>> = {
  1: 'it does not speak MQTT 3.1.1',
  2: 'it does not take this device id',
  3: 'it cannot serve now',
  4: 'user name or password is wrong',
  5: 'this device is not allowed',
};

/** A fault of the way to the cloud, as a failure in words with what to do about it. */
export async function explained(
  fault: unknown,
  connection: CloudConnection,
  { now, endpoint = 'mqtt' }: { readonly now: Date; readonly endpoint?: 'mqtt' | 'http' },
): Promise<Failure> {
  if (fault instanceof CloudRefusal) return refused(fault, connection);
  if (fault instanceof PacketError) return notMqtt(fault, connection);
  const { what, advice } = await explainCloudFault(fault, connection, { now, endpoint, mayProbe: true });
  return new Failure(what, advice, { cause: fault });
}

function refused(fault: CloudRefusal, { mqtt, deviceId, authMethod, settingNames }: CloudConnection): Failure {
  const reason = refusals[fault.returnCode] ?? `return code ${fault.returnCode}`;
  const what = `${placeText(mqtt)} refuses the device ${deviceId}: ${reason}.`;
  const proof = authMethod === 'basic' ? `user name and password (${settingNames.credentialsPath})` : 'the certificate';
  return new Failure(
    what,
    `Check that ${proof} and ${settingNames.deviceId} belong together and are known to the cloud.`,
    {
      cause: fault,
    },
  );
}

function notMqtt(fault: PacketError, connection: CloudConnection): Failure {
  const place = connection.mqtt;
  return new Failure(
    `${placeText(place)} does not speak MQTT 3.1.1: its answer is no valid packet.`,
    `Check host and port: ${commandToSetHost({ connection, place })}`,
    { cause: fault },
  );
}
