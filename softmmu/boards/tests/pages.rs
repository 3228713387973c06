//! The pages of the boards say what the board files say. `EMU_WRITE_PAGES=1` writes them.

use softmmu_boards::board::Source;
use softmmu_boards::page::page;
use std::path::Path;

#[test]
fn pages_are_those_of_the_board_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/boards");
    let write = std::env::var_os("EMU_WRITE_PAGES").is_some();
    for source in Source::built_in("ppc").expect("good boards") {
        let file = folder.join(format!("{}.md", source.board.name));
        let text = page(&source);
        if write {
            std::fs::create_dir_all(&folder).expect("a folder");
            std::fs::write(&file, &text).expect("a page");
        }
        let there = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            there == text,
            "{} is out of date: EMU_WRITE_PAGES=1 cargo test -p softmmu-boards --test pages",
            file.display()
        );
    }
}
