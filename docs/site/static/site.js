/* What is wider than its place can be scrolled with the keyboard, too. */
function letKeysScroll() {
    for (const box of document.querySelectorAll("article pre, .table-wrapper, .cell_output .output, .goim-fit, .drawn")) {
        if (box.scrollWidth > box.clientWidth) {
            box.tabIndex = 0;
        } else if (box.tabIndex === 0) {
            box.removeAttribute("tabindex");
        }
    }
}
addEventListener("load", letKeysScroll);
addEventListener("resize", letKeysScroll);
addEventListener("toggle", letKeysScroll, true); // what was folded has had no width

/* What is folded on the screen is printed open. */
addEventListener("beforeprint", () => {
    for (const folded of document.querySelectorAll("details:not([open])")) {
        folded.open = true;
        folded.dataset.printed = "";
    }
});
addEventListener("afterprint", () => {
    for (const opened of document.querySelectorAll("details[data-printed]")) {
        opened.open = false;
        delete opened.dataset.printed;
    }
});
