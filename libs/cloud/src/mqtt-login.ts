import type { CloudConnection } from './cloud-connection.js';

/** What the MQTT CONNECT packet for a cloud says about the device. Never log the password. */
export interface MqttLogin {
  readonly clientId: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

/** The version of its API that Azure IoT Hub wants in the user name. */
const azureApi = '2018-06-30';

/**
 * How a device introduces itself to the broker of a cloud.
 *
 * @throws Problem `config-invalid`: the file with user name and password is missing or unusable
 */
export async function mqttLogin(connection: CloudConnection): Promise<MqttLogin> {
  const { deviceId: clientId, kind, mqtt, authMethod } = connection;
  if (authMethod === 'basic') return { clientId, ...(await connection.credentials()) };
  const usernames = {
    c8y: undefined,
    custom: undefined,
    aws: clientId,
    az: `${mqtt.host}/${clientId}/?api-version=${azureApi}`,
  };
  return { clientId, username: usernames[kind], password: undefined };
}
