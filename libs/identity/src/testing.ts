export { certsOnly, EstResponder } from './est-responder.fixture.js';
