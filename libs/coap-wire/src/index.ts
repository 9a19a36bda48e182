export { contentFormats, type Method, methods, type ResponseCode, responseCodes, signalCodes } from './codes.js';
export {
  CoapError,
  type CoapRequest,
  type CoapResponse,
  type Endpoint,
  type EndReason,
  type Observation,
  type OutgoingRequest,
  type RequestHandler,
  type RequestOptions,
} from './exchange.js';
export type { CoapMessage, CoapOption } from './message.js';
