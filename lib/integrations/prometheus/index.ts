export { prometheus } from './prometheus';
