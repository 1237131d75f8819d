/* In place of Sphinx's own: it would write into the titles and the styles of our pictures. */
const SPHINX_HIGHLIGHT_ENABLED = false;
