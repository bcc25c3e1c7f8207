export { PersistPgSessionStore } from './session-store';
