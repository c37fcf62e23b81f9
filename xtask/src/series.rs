//! A patch of the series, read: its header and its size; and the groups that patches form.
//!
//! ```text
//! area: what                      the subject
//!
//! What it hooks, or what was wrong.
//!
//! Why here: why it cannot live in the crates
//! Size: why it is longer than one can hold in the head      only if it is
//! Tested: what shows that it works
//! Carries: which of these tests a pull request carries, and where to; or nothing
//! Forwarded: a URL, no, or not-needed (reason)
//! Group: fixes                    the pull request that it belongs to
//! ```

use crate::{stamp, tools};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;

/// The longest subject line that still reads as one line.
const SUBJECT_MAX: usize = 72;

/// Characters without which a header says nothing.
const BODY_MIN: usize = 80;

/// Changed lines that a reviewer holds in the head.
const SIZE_MAX: usize = 400;

/// The first group: patches that stand without the crates. They apply to Wasmtime as published, and build and work there.
pub const FIXES: &str = "fixes";

/// A patch file.
pub struct Patch {
    /// The file's name.
    pub name: String,
    /// Its text.
    pub text: String,
}

impl Patch {
    /// All patches, in the order in which they apply.
    pub fn read_all(root: &Path) -> Result<Vec<Patch>> {
        let read = |file: &std::path::PathBuf| {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok(Patch { name, text: fs::read_to_string(file)? })
        };
        stamp::patch_files(root)?.iter().map(read).collect()
    }

    /// Its number, as the file's name has it.
    pub fn number(&self) -> &str {
        self.name.split('-').next().unwrap_or_default()
    }

    /// `area: what`.
    pub fn subject(&self) -> String {
        subject(&self.text)
    }

    /// What the header says below the subject, without the fields.
    pub fn body(&self) -> &str {
        let body = self.message();
        body.split("\nWhy here: ").next().unwrap_or(body).trim()
    }

    /// The header below the subject.
    fn message(&self) -> &str {
        let header = self.text.split("\n---\n").next().unwrap_or_default();
        let header = header.split("\ndiff --git ").next().unwrap_or_default();
        header.split_once("\n\n").map_or("", |(_, body)| body)
    }

    /// What a field of the header says: until the next one, or the end.
    pub fn field(&self, name: &str) -> Option<String> {
        const FIELDS: [&str; 6] = ["Why here", "Size", "Tested", "Carries", "Forwarded", "Group"];
        let message = self.message();
        let start = message.find(&format!("\n{name}: "))? + name.len() + 3;
        let rest = &message[start..];
        let end = FIELDS.iter().filter_map(|field| rest.find(&format!("\n{field}: "))).min();
        Some(rest[..end.unwrap_or(rest.len())].split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// The pull request that it belongs to.
    pub fn group(&self) -> String {
        self.field("Group").unwrap_or_default()
    }

    /// Lines added, lines removed, and files.
    pub fn size(&self) -> (usize, usize, usize) {
        let diff = self.text.split_once("\ndiff --git ").map_or("", |(_, diff)| diff);
        let added = diff.lines().filter(|l| l.starts_with('+') && !l.starts_with("+++ ")).count();
        let removed = diff.lines().filter(|l| l.starts_with('-') && !l.starts_with("--- ")).count();
        (added, removed, self.text.matches("\ndiff --git ").count())
    }

    /// Looks at the header, and at what must not be in the patch.
    pub fn check(&self) -> Result<()> {
        let subject = self.subject();
        ensure!(subject.contains(": "), "the subject `{subject}` is not `area: what`");
        ensure!(subject.len() <= SUBJECT_MAX, "the subject is longer than {SUBJECT_MAX} characters");
        ensure!(
            subject.starts_with("manifests: ")
                || !self.text.lines().any(|l| l.starts_with("diff --git ") && l.ends_with("Cargo.toml")),
            "published manifests differ from upstream's: what changes them goes into the patch `manifests: …`"
        );
        let head = self.text.split_once("\n\n").context("the header has no body")?.0;
        let from = format!("From: {} <{}>", tools::NAME, tools::EMAIL);
        ensure!(head.lines().any(|line| line == from), "the author is not the series' author: `{from}`");
        ensure!(
            self.body().len() > BODY_MIN,
            "the header does not say what the patch hooks, or what was wrong, in more than {BODY_MIN} characters"
        );
        let field =
            |name: &str| self.field(name).with_context(|| format!("the header has no line `{name}: …`"));
        ensure!(field("Why here")?.len() > 10, "`Why here:` gives no reason of more than 10 characters");
        field("Tested")?;
        field("Carries")?;
        let forwarded = field("Forwarded")?;
        ensure!(
            forwarded == "no" || forwarded.starts_with("https://") || forwarded.starts_with("not-needed ("),
            "`Forwarded: {forwarded}` is neither a URL, nor `no`, nor `not-needed (reason)`"
        );
        let group = field("Group")?;
        let (added, removed, _) = self.size();
        ensure!(
            added + removed <= SIZE_MAX || self.field("Size").is_some(),
            "{} changed lines are more than {SIZE_MAX}: split it, or say why not in a line `Size: …`",
            added + removed
        );
        let ours =
            |line: &str| line.starts_with('+') && (line.contains("wasmfx_") || line.contains("wasmfx-"));
        ensure!(
            group != FIXES || !self.text.lines().any(ours),
            "a patch of the group `{FIXES}` stands without the crates, and this one names them"
        );
        Ok(())
    }

    /// Whether the files are there that the header names as tests.
    pub fn check_files(&self, root: &Path) -> Result<()> {
        const FOLDERS: [&str; 4] = ["tests/", "benches/", "ci/", "examples/"];
        let tested = self.field("Tested").unwrap_or_default();
        for word in tested.split_whitespace().map(|word| word.trim_matches(|c| "(),.;:".contains(c))) {
            let named = FOLDERS.iter().any(|folder| word.starts_with(folder));
            ensure!(!named || root.join(word).exists(), "`Tested:` names {word}, which is not there");
        }
        Ok(())
    }
}

/// The groups in order, with their patches. An error if one is in two places, or the fixes do not come first.
pub fn groups(patches: &[Patch]) -> Result<Vec<(String, Vec<&Patch>)>> {
    let mut groups: Vec<(String, Vec<&Patch>)> = Vec::new();
    for patch in patches {
        let group = patch.group();
        match groups.last_mut() {
            Some((name, patches)) if *name == group => patches.push(patch),
            _ => {
                let again = groups.iter().any(|(name, _)| *name == group);
                ensure!(
                    !again,
                    "patches/{}: the patches of the group `{group}` do not stand together",
                    patch.name
                );
                ensure!(
                    group != FIXES || groups.is_empty(),
                    "patches/{}: the patches of the group `{FIXES}` do not come first",
                    patch.name
                );
                groups.push((group, vec![patch]));
            }
        }
    }
    Ok(groups)
}

/// The subject of a commit as `git format-patch` writes it, unfolded.
pub fn subject(text: &str) -> String {
    let mut lines = text.lines().skip_while(|line| !line.starts_with("Subject: "));
    let mut subject = lines.next().unwrap_or_default().trim_start_matches("Subject: [PATCH] ").to_string();
    subject.extend(lines.take_while(|line| line.starts_with(' ')));
    subject
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: The wasmfx developers <developers@wasmfx.invalid>
Date: Thu, 1 Jan 2026 00:00:00 +0000
Subject: [PATCH] area: what

It calls what is at home in the crates, from the one place that knows when, and so does what this says.

Why here: only this place knows
Tested: so,
  and so
Carries: nothing
Forwarded: no
Group: fixes

diff --git a/x b/x
--- a/x
+++ b/x
@@ -1 +1 @@
-one
+two
";

    fn patch(name: &str, text: String) -> Patch {
        Patch { name: name.into(), text }
    }

    #[test]
    fn headers() {
        let good = patch("0001-area-what.patch", TEXT.into());
        good.check().unwrap();
        assert_eq!(good.field("Tested").unwrap(), "so, and so");
        assert_eq!((good.number(), good.group().as_str(), good.size()), ("0001", FIXES, (1, 1, 1)));
        assert!(good.body().starts_with("It calls") && good.body().ends_with("this says."));
        let long = "area: what that goes on for much longer than anybody would want to read in one line";
        let many = "+two\n".repeat(SIZE_MAX);
        for (from, to) in [
            ("area: what", "what"),
            ("area: what", long),
            ("The wasmfx developers", "Somebody else"),
            (", from the one place that knows when, and so does what this says.", ""),
            ("Why here: only this place knows\n", ""),
            ("Why here: only this place knows\n", "Why here: so\n"),
            ("Tested: so,\n  and so\n", ""),
            ("Carries: nothing\n", ""),
            ("Forwarded: no\n", ""),
            ("Forwarded: no\n", "Forwarded: maybe\n"),
            ("Group: fixes\n", ""),
            ("+two\n", &many),
            ("+two\n", "+wasmfx_runtime::two\n"),
        ] {
            assert!(patch("p", TEXT.replace(from, to)).check().is_err(), "{from} -> {to}");
        }
        let said = TEXT.replace("+two\n", &many).replace("Tested: ", "Size: it must\nTested: ");
        patch("p", said).check().unwrap();
        // What is in the diff is not the header.
        let moved = TEXT.replace("Group: fixes\n", "") + "+\nGroup: fixes\n";
        assert!(patch("p", moved).check().is_err());
    }

    #[test]
    fn groups_stand_together_and_fixes_come_first() {
        let all = |names: &[&str]| -> Vec<Patch> {
            names
                .iter()
                .map(|name| patch(name, TEXT.replace("Group: fixes", &format!("Group: {name}"))))
                .collect()
        };
        let good = all(&["fixes", "fixes", "b", "c", "c"]);
        let found = groups(&good).unwrap();
        let sizes: Vec<_> = found.iter().map(|(name, patches)| (name.as_str(), patches.len())).collect();
        assert_eq!(sizes, [("fixes", 2), ("b", 1), ("c", 2)]);
        assert!(groups(&all(&["b", "fixes"])).is_err());
        assert!(groups(&all(&["b", "c", "b"])).is_err());
    }

    #[test]
    fn folded_subjects() {
        assert_eq!(subject("Subject: [PATCH] area: one\n two\n\nBody"), "area: one two");
    }
}
