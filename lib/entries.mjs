/** Entry points: the path users import, and the file under lib/ that names what it exports. A line here is all that `npm run build` needs. */
export const entries = {
  '.': 'index',
  './testing': 'testing/index',
};
