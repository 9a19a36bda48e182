export { BlockMemory, type BlockMemoryLimits } from './blocks/block-memory.js';
export { type Block, bertExponent, blockOffset, decodeBlock, encodeBlock, unitBytes } from './blocks/block-option.js';
export { contentFormats, type Method, methods, type ResponseCode, responseCodes, signalCodes } from './codes.js';
export { encodeMessage } from './encode-message.js';
export { CoapEndpoint, type CoapEndpointOptions } from './endpoint/coap-endpoint.js';
export { defaultEndpointLimits, type EndpointLimits } from './endpoint/limits.js';
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
export { FrameError } from './frame-error.js';
export { FrameReader, type FrameReaderOptions } from './frame-reader.js';
export { type CoapMessage, type CoapOption, kindOf, type MessageKind } from './message.js';
export { optionNumbers } from './option-numbers.js';
export { decodeUint, encodeUint } from './option-values.js';
export { type ReceivedRequest, requestOf } from './request-of.js';
export { type ReceivedResponse, responseOf } from './response-of.js';
export {
  abortMessage,
  baseMaxMessageBytes,
  csmMessage,
  pingMessage,
  pongMessage,
  releaseMessage,
  type Signal,
  SignalError,
  signalOf,
} from './signals.js';
export {
  messageOfRequest,
  messageOfResponse,
  type RequestEnvelope,
  type ResponseEnvelope,
  responseOfError,
} from './to-message.js';
