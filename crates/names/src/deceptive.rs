//! Characters that deceive a reader of plain text.

/// Whether a character can steer a terminal or deceive a reader: controls, line and paragraph separators, and
/// characters without a shape of their own that turn, join or hide others (Unicode's Bidi_Control and
/// Default_Ignorable_Code_Point, but for the selectors that only choose how the character before them looks).
#[must_use]
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(
            u32::from(c),
            0x00ad
                | 0x034f
                | 0x061c
                | 0x115f..=0x1160
                | 0x17b4..=0x17b5
                | 0x180e
                | 0x200b..=0x200f
                | 0x2028..=0x202e
                | 0x2060..=0x206f
                | 0x3164
                | 0xfeff
                | 0xffa0
                | 0xfff0..=0xfffb
                | 0xe0000..=0xe0fff
        )
}
