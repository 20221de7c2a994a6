package wire

// Table is all cases, in the order of the page.
func Table() []Chapter {
	return []Chapter{
		{"Binding", bindings()},
		{"What is no message, or none of ours", shapes()},
		{"Credentials", credentialCases()},
		{"Allocate", allocates()},
		{"Ports and families", ports()},
		{"Refresh", refreshes()},
		{"CreatePermission", permissions()},
		{"ChannelBind", channels()},
		{"Data", datas()},
		{"Streams", streams()},
		{"Clients that come by IPv6", overIPv6()},
	}
}

// Chapter is a part of the table.
type Chapter struct {
	Title string
	Cases []Case
}

// Entry is a case in its chapter.
type Entry struct {
	Case
	Chapter string
}

// Key names the entry among all.
func (e *Entry) Key() string { return e.Chapter + ": " + e.Name }

// Cases are those of all chapters.
func Cases() []Entry {
	var all []Entry
	for _, chapter := range Table() {
		for _, c := range chapter.Cases {
			all = append(all, Entry{c, chapter.Title})
		}
	}
	return all
}
